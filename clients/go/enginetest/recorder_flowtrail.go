package main

// The recorder under test.
import _ "github.com/flowtrail/flowtrail/clients/go/recorder"
