//go:build !linux

package process

import "syscall"

func bind(*syscall.SysProcAttr) {}
