package e2e

import (
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// gate stands between the product and its broker. Held, it lets nobody through who comes anew, and nobody is refused: so a test
// can be back at a broker before the product is, and hear all that it says there.
type gate struct {
	listener net.Listener
	target   string

	mu     sync.Mutex
	opened chan struct{} // closed: whoever comes gets through
	inside map[net.Conn]*passage
}

func openGate(t *testing.T, target string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	g := &gate{listener: l, target: target, opened: make(chan struct{}), inside: map[net.Conn]*passage{}}
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

// freeze makes every connection silent, and leaves it open, as a network does that forgets.
func (g *gate) freeze() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.inside {
		p.frozen.Store(true)
	}
}

// passage is one connection. What comes once it is frozen goes nowhere.
type passage struct{ frozen atomic.Bool }

func (p *passage) copy(to io.Writer, from io.Reader) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if p.frozen.Load() {
			continue
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
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
	p := &passage{}
	g.inside[c] = p
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		delete(g.inside, c)
		g.mu.Unlock()
	}()
	go func() {
		p.copy(b, c)
		b.Close()
	}()
	p.copy(c, b)
}
