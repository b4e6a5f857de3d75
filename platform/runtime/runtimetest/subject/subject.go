// Package subject is the program that the conformance suite runs inside containers.
//
// It owns a tiny language: every argument is one step, done in order. The real engine runs it as a static binary
// (subject/cmd), the in-memory engine calls it in process; both give it a System. It must not know which.
package subject

import (
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// System is the machine as the program sees it.
type System interface {
	Stdout() io.Writer
	Stderr() io.Writer
	// Terminated is closed when the process was asked to end.
	Terminated() <-chan struct{}
	// Listen opens a TCP socket on ip:port and keeps it open.
	Listen(address string) error
	// Lookup returns the addresses of a name.
	Lookup(name string) ([]string, error)
	// Env returns a variable of the environment.
	Env(key string) string
	// Read and Write work on files.
	Read(path string) (string, error)
	Write(path, text string) error
	// EatMemory takes memory until the process is killed, and does not return before.
	EatMemory()
	// Hang blocks for ever, whatever the process is asked.
	Hang()
}

// Run does the steps of args and returns the exit code.
//
//	out:TEXT err:TEXT   write TEXT and a newline        tail:TEXT       write TEXT without a newline
//	hex:BYTES           write raw bytes and a newline   long:N          write a line of N letters
//	env:KEY             print a variable                exit:N          end with code N
//	listen:IP:PORT      open a socket                   lookup:NAME     print how many addresses NAME has
//	write:PATH=TEXT     write a file                    read:PATH       print a file
//	count:A-B           write the numbers A to B, a line each      until:PATH      until there is such a file
//	wait                until asked to end; then print "asked to end" and go on with the next step
//	stubborn            never end                       eat             take memory until killed
func Run(system System, args []string) int {
	for _, arg := range args {
		verb, rest, _ := strings.Cut(arg, ":")
		code, done, err := step(system, verb, rest)
		if err != nil {
			_, _ = fmt.Fprintln(system.Stderr(), err)
			return 1
		}
		if done {
			return code
		}
	}
	return 0
}

func step(system System, verb, rest string) (code int, done bool, err error) {
	switch verb {
	case "exit":
		code, err = strconv.Atoi(rest)
		return code, true, err
	case "out", "err", "tail", "hex", "long", "count":
		return 0, false, write(system, verb, rest)
	case "env":
		return 0, false, line(system, system.Env(rest))
	case "listen":
		return 0, false, system.Listen(rest)
	case "lookup":
		return 0, false, lookup(system, rest)
	case "write":
		path, text, _ := strings.Cut(rest, "=")
		return 0, false, system.Write(path, text)
	case "read":
		text, err := system.Read(rest)
		if err != nil {
			return 0, false, err
		}
		return 0, false, line(system, text)
	case "until":
		until(system, rest)
		return 0, false, nil
	case "wait":
		<-system.Terminated()
		return 0, false, line(system, "asked to end")
	case "stubborn":
		system.Hang()
	case "eat":
		system.EatMemory()
	default:
		return 0, false, fmt.Errorf("unknown step %q", verb)
	}
	return 0, false, nil
}

func write(system System, verb, rest string) error {
	switch verb {
	case "err":
		_, err := fmt.Fprintln(system.Stderr(), rest)
		return err
	case "tail":
		_, err := io.WriteString(system.Stdout(), rest)
		return err
	case "hex":
		raw, err := hex.DecodeString(rest)
		if err != nil {
			return err
		}
		_, err = system.Stdout().Write(append(raw, '\n'))
		return err
	case "long":
		n, err := strconv.Atoi(rest)
		if err != nil {
			return err
		}
		return line(system, Letters(n))
	case "count":
		return count(system, rest)
	}
	return line(system, rest)
}

func count(system System, rest string) error {
	first, last, _ := strings.Cut(rest, "-")
	from, err := strconv.Atoi(first)
	if err != nil {
		return err
	}
	to, err := strconv.Atoi(last)
	if err != nil {
		return err
	}
	for i := from; i <= to; i++ {
		if err := line(system, strconv.Itoa(i)); err != nil {
			return err
		}
	}
	return nil
}

func lookup(system System, name string) error {
	found, err := system.Lookup(name)
	if err != nil {
		return err
	}
	slices.Sort(found)
	return line(system, strconv.Itoa(len(slices.Compact(found))))
}

func until(system System, path string) {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for {
		if _, err := system.Read(path); err == nil {
			return
		}
		select {
		case <-ticker.C:
		case <-system.Terminated():
			return
		}
	}
}

func line(system System, text string) error {
	_, err := fmt.Fprintln(system.Stdout(), text)
	return err
}

// Letters returns n letters, a to z over and over, so that a lost or doubled piece shows.
func Letters(n int) string {
	letters := make([]byte, n)
	for i := range letters {
		letters[i] = byte('a' + i%26)
	}
	return string(letters)
}
