package traces

import (
	"math/bits"
	"time"
)

// pace is how long the operations of one service take: counts by classes of time, four to each power of two, the old ones
// weighing less and less.
type pace struct {
	counts [paceClasses]uint32
	total  uint32
}

const (
	paceClasses = 160
	paceEnough  = 200    // operations before any is called slow
	paceFull    = 50_000 // operations after which all counts are halved
)

// add counts an operation and reports whether it is among the slowest hundredth so far.
func (p *pace) add(took time.Duration) (slow bool) {
	class := paceClass(took)
	slower := uint32(0)
	for _, n := range p.counts[class:] {
		slower += n
	}
	slow = p.total >= paceEnough && slower*100 <= p.total
	p.counts[class]++
	if p.total++; p.total >= paceFull {
		p.total = 0
		for i := range p.counts {
			p.counts[i] /= 2
			p.total += p.counts[i]
		}
	}
	return slow
}

// paceClass is the class of a time: its power of two in microseconds, and its quarter of that.
func paceClass(took time.Duration) int {
	us := uint64(max(took.Microseconds(), 4))
	power := bits.Len64(us) - 3 // the three highest bits are 100 to 111
	return min(power*4+int(us>>power)-4, paceClasses-1)
}
