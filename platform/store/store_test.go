package store_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/store"
	"github.com/fairlead/fairlead/platform/store/storetest"
)

func TestEvents_ConcurrentCommitsMakeOneChainWithoutGaps(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				err := s.InTx(t.Context(), func(tx *store.Tx) error {
					tx.AppendEvent(platform.Event{
						Kind: platform.EventServerStarted, Actor: platform.SystemActor("test"),
						Summary: "bad \xff bytes and \x00 <html>", Payload: json.RawMessage(`{"a":"\u0000\\u0000"}`),
					})
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	report, err := s.VerifyEvents(t.Context())
	require.NoError(t, err)
	require.True(t, report.OK, "%+v", report)
	require.EqualValues(t, 80, report.Events)
}

func TestEvents_AreNeverChanged(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	appendEvent(t, s)
	for _, sql := range []string{"UPDATE events SET summary = 'x'", "DELETE FROM events"} {
		_, err := s.Pool().Exec(t.Context(), sql)
		require.ErrorContains(t, err, "rows of events are never changed")
	}
}

func TestVerifyEvents_FindsWhatWasTamperedWith(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sql string
		at  int64
	}{
		"changed summary": {"UPDATE events SET summary = 'nothing happened' WHERE seq = 3", 3},
		"changed actor":   {`UPDATE events SET actor = actor || '{"name":"eve"}' WHERE seq = 2`, 2},
		"changed time":    {"UPDATE events SET at = at + interval '1 microsecond' WHERE seq = 4", 4},
		"removed":         {"DELETE FROM events WHERE seq = 3", 3},
		"removed last":    {"DELETE FROM events WHERE seq = 5", 5},
		"rehashed head":   {"UPDATE chain_head SET hash = 'beef'", 6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := storetest.Open(t)
			for range 5 {
				appendEvent(t, s)
			}
			set(t, s, "ALTER TABLE events DISABLE TRIGGER events_fixed")
			set(t, s, c.sql)
			report, err := s.VerifyEvents(t.Context())
			require.NoError(t, err)
			require.False(t, report.OK)
			require.Equal(t, c.at, report.BrokenAt)
		})
	}
}

// project adds a project with one service and its slot.
func project(t *testing.T, s *store.Store, name string) platform.Slot {
	t.Helper()
	p := platform.Project{ID: platform.NewID[platform.ProjectID]("prj"), Name: name}
	e := platform.Environment{ID: platform.NewID[platform.EnvironmentID]("env"), ProjectID: p.ID, Name: platform.ProductionName}
	v := platform.Service{ID: platform.NewID[platform.ServiceID]("srv"), ProjectID: p.ID, Name: "api"}
	slot := platform.Slot{
		ID: platform.NewID[platform.SlotID]("slot"), ProjectID: p.ID, EnvironmentID: e.ID, ServiceID: v.ID,
		Project: name, Environment: e.Name, Service: v.Name, Hosts: []string{"api." + name + ".localhost"},
	}
	require.NoError(t, s.InTx(t.Context(), func(tx *store.Tx) error {
		ctx := t.Context()
		for _, err := range []error{tx.InsertProject(ctx, p), tx.InsertEnvironment(ctx, e), tx.InsertService(ctx, v), tx.InsertSlot(ctx, slot)} {
			if err != nil {
				return err
			}
		}
		return tx.ClaimHosts(ctx, slot)
	}))
	return slot
}

func deploy(slot platform.Slot, phase platform.Phase) platform.Deploy {
	return platform.Deploy{
		ID: platform.NewID[platform.DeployID]("dep"), ProjectID: slot.ProjectID, SlotID: slot.ID, ServiceID: slot.ServiceID,
		Project: slot.Project, Environment: slot.Environment, Service: slot.Service, Phase: phase, CreatedAt: time.Now().UTC().Truncate(time.Microsecond),
	}
}

func TestList_PagesAreNewestFirstAndWhole(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	slot := project(t, s, "shop")
	want := []platform.DeployID{}
	for range 7 {
		d := deploy(slot, platform.PhaseQueued)
		want = append([]platform.DeployID{d.ID}, want...)
		require.NoError(t, s.InTx(t.Context(), func(tx *store.Tx) error { return tx.InsertDeploy(t.Context(), d) }))
	}
	got, cursor := []platform.DeployID{}, ""
	for pages := 0; ; pages++ {
		require.Less(t, pages, 5)
		var l platform.List[platform.Deploy]
		require.NoError(t, s.View(t.Context(), func(tx *store.Tx) (err error) {
			l, err = tx.ListDeploys(t.Context(), store.Scope{Projects: []string{"shop"}}, "", platform.Page{Limit: 3, Cursor: cursor})
			return err
		}))
		for _, d := range l.Items {
			got = append(got, d.ID)
		}
		if cursor = l.Next; cursor == "" {
			break
		}
	}
	require.Empty(t, cmp.Diff(want, got))
}

func TestList_CursorOfAnotherProjectOrListIsRefused(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	shop := project(t, s, "shop")
	project(t, s, "bank")
	for range 2 {
		require.NoError(t, s.InTx(t.Context(), func(tx *store.Tx) error {
			return tx.InsertDeploy(t.Context(), deploy(shop, platform.PhaseQueued))
		}))
	}
	cursor := ""
	list := func(tx *store.Tx, project, cursor string) (string, error) {
		l, err := tx.ListDeploys(t.Context(), store.Scope{Projects: []string{project}}, "", platform.Page{Limit: 1, Cursor: cursor})
		return l.Next, err
	}
	require.NoError(t, s.View(t.Context(), func(tx *store.Tx) (err error) { cursor, err = list(tx, "shop", ""); return err }))
	require.NotEmpty(t, cursor)
	for name, read := range map[string]func(tx *store.Tx) error{
		"project": func(tx *store.Tx) error { _, err := list(tx, "bank", cursor); return err },
		"garbage": func(tx *store.Tx) error { _, err := list(tx, "shop", "garbage!"); return err },
		"json":    func(tx *store.Tx) error { _, err := list(tx, "shop", "bm9wZQ"); return err },
		"list": func(tx *store.Tx) error {
			_, err := tx.ListIncidents(t.Context(), store.Scope{Projects: []string{"shop"}}, "", platform.Page{Cursor: cursor})
			return err
		},
		"events": func(tx *store.Tx) error {
			_, err := tx.ListEvents(t.Context(), store.EventQuery{Projects: []string{"shop"}, EventFilter: platform.EventFilter{Page: platform.Page{Cursor: cursor}}})
			return err
		},
		"limit": func(tx *store.Tx) error {
			_, err := tx.ListDeploys(t.Context(), store.Scope{}, "", platform.Page{Limit: 501})
			return err
		},
	} {
		err := s.View(t.Context(), read)
		require.Equal(t, platform.CodeInvalid, platform.CodeOf(err), "%s: %v", name, err)
	}
}

func TestClaimHosts_HostOfAnotherSlotIsRefusedNamingBoth(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	shop, bank := project(t, s, "shop"), project(t, s, "bank")
	bank.Hosts = []string{"api.bank.localhost", shop.Hosts[0]}
	err := s.InTx(t.Context(), func(tx *store.Tx) error { return tx.ClaimHosts(t.Context(), bank) })
	require.Equal(t, platform.CodeConflict, platform.CodeOf(err))
	require.ErrorContains(t, err, "bank/production/api")
	require.ErrorContains(t, err, "shop/production/api")
	shop.Hosts = nil
	require.NoError(t, s.InTx(t.Context(), func(tx *store.Tx) error { return tx.ClaimHosts(t.Context(), shop) }))
	require.NoError(t, s.InTx(t.Context(), func(tx *store.Tx) error { return tx.ClaimHosts(t.Context(), bank) }))
}

func TestDeploys_OneOfASlotMovesAtATime(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	slot := project(t, s, "shop")
	one, two := deploy(slot, platform.PhaseBuilding), deploy(slot, platform.PhaseQueued)
	require.NoError(t, s.InTx(t.Context(), func(tx *store.Tx) error { return tx.InsertDeploy(t.Context(), one) }))
	require.NoError(t, s.InTx(t.Context(), func(tx *store.Tx) error { return tx.InsertDeploy(t.Context(), two) }))
	two.Phase = platform.PhaseStarting
	err := s.InTx(t.Context(), func(tx *store.Tx) error { return tx.UpdateDeploy(t.Context(), two) })
	require.Equal(t, platform.CodeConflict, platform.CodeOf(err))
	require.ErrorContains(t, err, "Another deploy of shop/production/api is under way.")
	one.Phase = platform.PhaseLive
	require.NoError(t, s.InTx(t.Context(), func(tx *store.Tx) error { return tx.UpdateDeploy(t.Context(), one) }))
	require.NoError(t, s.InTx(t.Context(), func(tx *store.Tx) error { return tx.UpdateDeploy(t.Context(), two) }))
}

func TestInTx_DeadlockIsRepeated(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	slots := []platform.Slot{project(t, s, "shop"), project(t, s, "bank")}
	var meet sync.WaitGroup
	meet.Add(2)
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			var once sync.Once
			errs[i] = s.InTx(t.Context(), func(tx *store.Tx) error {
				if _, err := tx.LockSlot(t.Context(), slots[i].ID); err != nil {
					return err
				}
				once.Do(func() { meet.Done(); meet.Wait() })
				_, err := tx.LockSlot(t.Context(), slots[1-i].ID)
				return err
			})
		})
	}
	wg.Wait()
	require.NoError(t, errs[0])
	require.NoError(t, errs[1])
}

func TestOpen_AgainChangesNothing(t *testing.T) {
	t.Parallel()
	url := storetest.URL(t)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			s, err := store.Open(t.Context(), store.Options{URL: url})
			if err != nil {
				t.Error(err)
				return
			}
			s.Close()
		})
	}
	wg.Wait()
}

func TestOpen_SchemaOfANewerVersionIsRefused(t *testing.T) {
	t.Parallel()
	url := storetest.URL(t)
	s := storetest.OpenURL(t, url)
	set(t, s, "INSERT INTO fairlead_migrations VALUES ('migrations/9999_future.sql', 'x')")
	_, err := store.Open(t.Context(), store.Options{URL: url})
	require.Equal(t, platform.CodeConflict, platform.CodeOf(err))
	set(t, s, "DELETE FROM fairlead_migrations WHERE sum = 'x'")
	set(t, s, "UPDATE fairlead_migrations SET sum = 'x'")
	_, err = store.Open(t.Context(), store.Options{URL: url})
	require.ErrorContains(t, err, "was applied with other text")
}

func TestOpen_BadURLNamesTheForm(t *testing.T) {
	t.Parallel()
	_, err := store.Open(t.Context(), store.Options{URL: "postgres://user:secret@host:port/db"})
	require.Equal(t, platform.CodeInvalid, platform.CodeOf(err))
	require.NotContains(t, err.Error(), "secret")
}

func TestNextTableVersion_OnlyRises(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	last := uint64(0)
	for range 5 {
		v, err := s.NextTableVersion(t.Context())
		require.NoError(t, err)
		require.Greater(t, v, last)
		last = v
	}
}

func BenchmarkInTx_RowAndEvent(b *testing.B) {
	s := storetest.Open(b)
	n := 0
	for b.Loop() {
		n++
		err := s.InTx(b.Context(), func(tx *store.Tx) error {
			tx.AppendEvent(platform.Event{Kind: platform.EventServerStarted, Actor: platform.SystemActor("test"), Summary: fmt.Sprint(n)})
			return tx.PutSetting(b.Context(), "n", fmt.Sprint(n))
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
