package event

import (
	"time"
)

// Answer is a good answer of a vendor's API, asked by a poll.
type Answer struct {
	Received time.Time
	Date     time.Time // the vendor's clock as its Date header says; zero: not said
	Body     []byte    // exactly the bytes received
	Events   []Event
}

// Refusal is why a vendor's API gave no good answer.
type Refusal struct {
	Reason string // one sentence for people, without any secret
	Status int    // HTTP status; zero: no answer came

	// RetryAfter is how long the vendor asked for silence; zero: it did not.
	RetryAfter time.Duration
	// Unauthorized: the token is refused; asking again soon is pointless.
	Unauthorized bool
}

func (r *Refusal) Error() string { return r.Reason }
