package loadtest

import (
	"fmt"
	"math/bits"
	"strings"
	"sync"
	"time"
)

const (
	keptFailures = 20
	// subBuckets per power of two of a microsecond: latencies are known to about 3 %.
	subBuckets = 32
	octaves    = 40
)

// Failure is one request that did not end as it should.
type Failure struct {
	At     time.Time
	Method string
	Path   string
	ID     string
	Status int // 0 when there was no answer
	Words  string
}

// String is one line for people.
func (f Failure) String() string {
	return fmt.Sprintf("%s %s %s id=%s status=%d: %s", f.At.Format("15:04:05.000"), f.Method, f.Path, f.ID, f.Status, f.Words)
}

// Report is what became of a load, so far or at its end. A request that Stop or the end of the context cut is not counted at all.
type Report struct {
	Sent     uint64 // requests that ended, well or not
	InFlight uint64
	Failed   uint64 // every status that is not 2xx and every transport error
	ByStatus map[int]uint64
	// Latency from the scheduled time to the last byte of the answer.
	P50, P99, Max time.Duration
	Failures      []Failure // the first few

	StreamsOpened uint64
	StreamsEnded  uint64 // cleanly
	StreamsBroken uint64
	StreamChunks  uint64

	SocketsOpened uint64
	SocketsEnded  uint64 // cleanly
	SocketsBroken uint64
	SocketEchoes  uint64
}

// Clean reports whether nothing at all went wrong.
func (r Report) Clean() bool { return r.Failed == 0 && r.StreamsBroken == 0 && r.SocketsBroken == 0 }

// String is the report in a few lines, with the first failures.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d sent, %d failed, p50 %v, p99 %v, max %v", r.Sent, r.Failed, r.P50.Round(10*time.Microsecond), r.P99.Round(10*time.Microsecond), r.Max.Round(10*time.Microsecond))
	if r.StreamsOpened > 0 {
		fmt.Fprintf(&b, "; %d streams opened, %d broken", r.StreamsOpened, r.StreamsBroken)
	}
	if r.SocketsOpened > 0 {
		fmt.Fprintf(&b, "; %d sockets opened, %d broken", r.SocketsOpened, r.SocketsBroken)
	}
	for _, f := range r.Failures {
		b.WriteString("\n  " + f.String())
	}
	return b.String()
}

// tally counts while the load runs.
type tally struct {
	mu       sync.Mutex // guards the fields below
	report   Report
	byStatus map[int]uint64
	latency  [octaves * subBuckets]uint64
	failures []Failure
}

func newTally() *tally { return &tally{byStatus: map[int]uint64{}} }

// change runs f on the counts.
func (t *tally) change(f func(r *Report)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.report)
}

func (t *tally) ended(status int, took time.Duration, failure *Failure) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.InFlight--
	t.report.Sent++
	t.report.Max = max(t.report.Max, took)
	t.latency[bucketOf(took)]++
	if status > 0 {
		t.byStatus[status]++
	}
	if failure != nil {
		t.report.Failed++
		t.keepLocked(*failure)
	}
}

func (t *tally) broken(failure Failure, count func(r *Report)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	count(&t.report)
	t.keepLocked(failure)
}

func (t *tally) keepLocked(f Failure) {
	if len(t.failures) < keptFailures {
		t.failures = append(t.failures, f)
	}
}

func (t *tally) read() Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.report
	r.ByStatus = make(map[int]uint64, len(t.byStatus))
	for status, n := range t.byStatus {
		r.ByStatus[status] = n
	}
	r.Failures = append([]Failure(nil), t.failures...)
	r.P50, r.P99 = min(t.quantileLocked(0.50), r.Max), min(t.quantileLocked(0.99), r.Max)
	return r
}

func (t *tally) quantileLocked(q float64) time.Duration {
	rank := uint64(q * float64(t.report.Sent))
	var seen uint64
	for i, n := range t.latency {
		if seen += n; seen > rank {
			return upperBound(i)
		}
	}
	return t.report.Max
}

// bucketOf maps a duration to a bucket: linear below subBuckets µs, then subBuckets for each power of two.
func bucketOf(d time.Duration) int {
	us := uint64(max(d, 0) / time.Microsecond)
	if us < subBuckets {
		return int(us)
	}
	shift := bits.Len64(us) - 6 // leaves 32..63
	return min((shift+1)*subBuckets+int(us>>shift)-subBuckets, octaves*subBuckets-1)
}

func upperBound(i int) time.Duration {
	if i < subBuckets {
		return time.Duration(i+1) * time.Microsecond
	}
	shift := i/subBuckets - 1
	return time.Duration(uint64(i%subBuckets+subBuckets+1)<<shift) * time.Microsecond
}
