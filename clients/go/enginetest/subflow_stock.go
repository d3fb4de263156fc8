//go:build !ownsubflow

package main

import (
	_ "github.com/project-flogo/flow/activity/subflow"
)

// subflowActivity is flow's own.
const subflowActivity = "github.com/project-flogo/flow/activity/subflow"
