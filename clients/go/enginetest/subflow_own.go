//go:build ownsubflow

package main

import (
	_ "github.com/flowtrail/flowtrail/clients/go/enginetest/activity/call"
)

// subflowActivity is ours, for flow modules that no published subflow activity fits.
const subflowActivity = "github.com/flowtrail/flowtrail/clients/go/enginetest/activity/call"
