package process

import "syscall"

func bind(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }
