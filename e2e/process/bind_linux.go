package process

import (
	"fmt"
	"math/rand/v2"
	"syscall"
)

// Host is a loopback address for one program alone. On 127.0.0.1 its port may be taken, while it is stopped, for the near end of
// anybody's outgoing connection, and it cannot start again.
func Host() string {
	return fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
}

func bind(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }
