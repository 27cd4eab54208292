//go:build !fault

package proxy

// fault marks a moment between two steps at which a crash leaves the book and
// the kernel of different minds. It is nothing here; a program built with the tag
// "fault" stops there. fault_test.go lists the moments.
func fault(string) {}
