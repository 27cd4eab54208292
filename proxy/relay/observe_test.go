package relay

// What only the tests want to know of a Flow.

// Broken reports whether the source broke.
func (f *Flow) Broken() bool { return f.bits&broken != 0 }

// Cut reports whether the sink broke.
func (f *Flow) Cut() bool { return f.bits&cut != 0 }

// Stalled reports whether bytes wait for room in the sink.
func (f *Flow) Stalled() bool { return f.pending > 0 && f.bits&writable == 0 }
