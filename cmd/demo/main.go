// Command demo shows Grid2MQTT on one machine that has nothing but Go, with
// neither account nor broker: the real program runs against simulated vendors
// and an MQTT broker of its own through a compressed day, and what happens is
// told in plain words. What is told was heard on the broker first.
//
// It keeps everything in a temporary directory, and removes that at the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C does not wait for anything
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// options are the flags.
type options struct {
	broker, hooks, page string // addresses
	once, verbose       bool
}

// run is the whole program; it returns the exit code: 0 after a stop or a day
// as it should be, 1 for a day that was not, 2 for what cannot be used.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.broker, "broker", "127.0.0.1:1883", "`address` of the MQTT broker, open to whoever reaches it; a free port where it is taken")
	flags.StringVar(&o.hooks, "hooks", "127.0.0.1:8098", "`address` for webhooks; a free port where it is taken")
	flags.StringVar(&o.page, "page", "127.0.0.1:8099", "`address` of the page; a free port where it is taken")
	flags.BoolVar(&o.once, "once", false, "end after one day, in about eight minutes")
	flags.BoolVar(&o.verbose, "v", false, "show the program's log in between, instead of writing it to a file")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "demo: %q is no flag; -h lists them\n", flags.Arg(0))
		return 2
	}
	s, err := open(ctx, o, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "demo:", err)
		return 2
	}
	d := newDemo(s, stdout)
	d.introduce(o)
	wrong := d.days(ctx, o.once)
	err = s.close()
	d.goodbye()
	if err != nil {
		fmt.Fprintln(stderr, "demo:", err)
		return 1
	}
	if wrong && o.once {
		return 1
	}
	return 0
}
