package integration

import "time"

// patience is how long a test waits for what should come within moments.
const patience = 30 * time.Second
