package e2e

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
)

// gate stands between the product and its broker. Held, it lets nobody through who comes anew, and nobody is refused: so a test
// can be back at a broker before the product is, and hear all that it says there.
type gate struct {
	listener net.Listener
	target   string

	mu     sync.Mutex
	opened chan struct{} // closed: whoever comes gets through
	inside map[net.Conn]bool
}

func openGate(t *testing.T, target string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	g := &gate{listener: l, target: target, opened: make(chan struct{}), inside: map[net.Conn]bool{}}
	g.release()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go g.pass(c)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		g.cut()
	})
	return g
}

func (g *gate) url() string { return fmt.Sprintf("mqtt://%s", g.listener.Addr()) }

func (g *gate) hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.opened = make(chan struct{})
}

func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.opened)
}

// cut ends every connection, as a network does that breaks down.
func (g *gate) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.inside {
		c.Close()
	}
}

func (g *gate) pass(c net.Conn) {
	defer c.Close()
	g.mu.Lock()
	opened := g.opened
	g.mu.Unlock()
	<-opened
	b, err := net.Dial("tcp", g.target)
	if err != nil {
		return
	}
	defer b.Close()
	g.mu.Lock()
	g.inside[c] = true
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		delete(g.inside, c)
		g.mu.Unlock()
	}()
	go func() {
		io.Copy(b, c)
		b.Close()
	}()
	io.Copy(c, b)
}
