//go:build !linux

package process

import "syscall"

// Host is the one loopback address that every machine has.
func Host() string { return "127.0.0.1" }

func bind(*syscall.SysProcAttr) {}
