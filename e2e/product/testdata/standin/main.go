// Standin behaves towards whoever starts it as the product promises to.
package main

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

func main() {
	if bad := os.Getenv("BAD"); bad != "" {
		fmt.Fprintln(os.Stderr, "BAD: is not good")
		os.Exit(2)
	}
	env := os.Environ()
	slices.Sort(env)
	for _, e := range env {
		fmt.Println(e)
	}
	if len(os.Args) > 1 {
		fmt.Println("asked to", os.Args[1])
		return
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	fmt.Println("run", count(filepath.Join(os.Getenv("DATA_DIR"), "runs")))
	ok := func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, r.Method, r.URL) }
	go http.ListenAndServe(os.Getenv("HOOK_ADDR"), http.HandlerFunc(ok))
	go http.ListenAndServe(os.Getenv("WEB_ADDR"), http.HandlerFunc(ok))
	<-stop
	fmt.Fprintln(os.Stderr, "bye")
	code, _ := strconv.Atoi(os.Getenv("CODE"))
	os.Exit(code)
}

func count(file string) int {
	os.MkdirAll(filepath.Dir(file), 0o700)
	text, _ := os.ReadFile(file)
	n, _ := strconv.Atoi(string(text))
	os.WriteFile(file, []byte(strconv.Itoa(n+1)), 0o600)
	return n + 1
}
