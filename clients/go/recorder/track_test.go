package recorder

import (
	"os"
	"testing"
)

func TestTheEngineIsToldToTrackUnlessSomebodyDecided(t *testing.T) {
	t.Setenv(trackingVariable, "")
	track("history:9190")
	if value := os.Getenv(trackingVariable); value != "" {
		t.Errorf("%q, and somebody decided for an empty one", value)
	}
	if err := os.Unsetenv(trackingVariable); err != nil {
		t.Fatal(err)
	}
	track("history:9190")
	if value := os.Getenv(trackingVariable); value != "history:9190" {
		t.Errorf("%q", value)
	}
}
