package worker

import (
	"context"
	"sync"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// Times and sizes of the sending side.
const (
	notifyEvery   = time.Second // backstop: signals are lost while the database is away, and messages become due by time
	notifiedMost  = 8           // messages on their way at once, to as many channels
	recordEvery   = time.Second
	recordWithin  = 40 * time.Second // less than the claim of a message
	stopRecording = 3 * time.Second
)

// notices is what the worker asks of control about notifications.
type notices interface {
	FillOutboxes(ctx context.Context) (int, error)
	ClaimNotice(ctx context.Context) (*platform.Notice, error)
	RecordReceipt(ctx context.Context, n platform.Notice, r platform.Receipt) error
	ForgetDeliveries(ctx context.Context) error
}

// sender makes one attempt to send a message.
type sender interface {
	Send(ctx context.Context, n platform.Notice) platform.Receipt
}

// notify sends what the event log says that channels are to hear, until ctx ends; then it waits for what is on its way,
// so that a stop sends nothing twice. What a crash leaves on its way is sent again under the same id.
func (w *Worker) notify(ctx context.Context) {
	if w.o.Sender == nil {
		return
	}
	signal, stop := w.o.Store.Subscribe()
	defer stop()
	again := make(chan struct{}, 1) // a channel is free for its next message
	ticker := time.NewTicker(notifyEvery)
	defer ticker.Stop()
	var sending sync.WaitGroup
	defer sending.Wait()
	free := make(chan struct{}, notifiedMost)
	for ctx.Err() == nil {
		if err := w.sendDue(ctx, &sending, free, again); err != nil && ctx.Err() == nil {
			w.log.WarnContext(ctx, "notifications wait", "error", err)
			pause(ctx, notifyEvery)
		}
		select {
		case <-ctx.Done():
		case <-signal:
		case <-again:
		case <-ticker.C:
		}
	}
}

// sendDue puts new events into messages and begins to send those that are due.
func (w *Worker) sendDue(ctx context.Context, sending *sync.WaitGroup, free, again chan struct{}) error {
	if _, err := w.o.Plane.FillOutboxes(ctx); err != nil {
		return err
	}
	for {
		select {
		case free <- struct{}{}:
		default:
			return nil
		}
		n, err := w.o.Plane.ClaimNotice(ctx)
		if err != nil || n == nil {
			<-free
			return err
		}
		sending.Go(func() {
			w.sendNotice(ctx, *n)
			<-free
			select {
			case again <- struct{}{}:
			default:
			}
		})
	}
}

// sendNotice makes the attempt and has it recorded, also when the worker is stopping. While the database is away it
// goes on trying for as long as the message is its own.
func (w *Worker) sendNotice(ctx context.Context, n platform.Notice) {
	whole := context.WithoutCancel(ctx)
	if w.stopHere("notice/claimed") != nil {
		return
	}
	r := platform.Receipt{Words: n.Broken}
	if n.Broken == "" {
		r = w.o.Sender.Send(whole, n)
	}
	if w.stopHere("notice/sent") != nil {
		return
	}
	if !r.OK {
		w.log.InfoContext(ctx, "a notification did not arrive", "channel", n.Channel.ID, "delivery", n.Delivery.ID, "status", r.Status, "words", r.Words)
	}
	bounded, cancel := context.WithTimeout(whole, recordWithin)
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(stopRecording, cancel) })()
	for {
		err := w.o.Plane.RecordReceipt(bounded, n, r)
		if err == nil {
			return
		}
		if platform.CodeOf(err) != platform.CodeUnavailable || !pause(bounded, recordEvery) {
			w.log.ErrorContext(ctx, "an attempt is not recorded: it will be made again", "delivery", n.Delivery.ID, "error", err)
			return
		}
	}
}
