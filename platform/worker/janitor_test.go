package worker

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
	"github.com/fairlead/fairlead/platform/runtime"
)

// releasesPlane holds one slot with a list of releases, newest first.
type releasesPlane struct {
	plane
	images []string
}

func (p *releasesPlane) ListWorkSlots(context.Context) ([]platform.Slot, error) {
	return []platform.Slot{{ID: "slot_1", Project: "shop", Environment: "production", Service: "api"}}, nil
}

func (p *releasesPlane) ListReleases(context.Context, platform.Actor, platform.SlotRef, platform.Page) (platform.List[platform.Release], error) {
	var list platform.List[platform.Release]
	for i, image := range p.images {
		list.Items = append(list.Items, platform.Release{ID: platform.ReleaseID(fmt.Sprint("rel_", i)), ImageID: image})
	}
	return list, nil
}

// imagesEngine counts removals and fails as many of them as told.
type imagesEngine struct {
	runtime.Runtime
	fail    int
	removed []string
}

func (e *imagesEngine) RemoveImage(_ context.Context, id string) error {
	if e.fail > 0 {
		e.fail--
		return errors.New("the engine is busy")
	}
	e.removed = append(e.removed, id)
	return nil
}

func TestJanitor_OldImageIsRemovedAgainAfterAFailureAndAfterItsReturn(t *testing.T) {
	t.Parallel()
	kept := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}
	require.Len(t, kept, keptReleases)
	releases := &releasesPlane{images: append(kept, "old")}
	engine := &imagesEngine{fail: 1}
	w := New(Options{Plane: releases, Runtime: engine})
	require.ErrorContains(t, w.removeImages(t.Context()), "busy")
	require.NoError(t, w.removeImages(t.Context()))
	require.NoError(t, w.removeImages(t.Context()))
	require.Equal(t, []string{"old"}, engine.removed, "once is enough")

	releases.images[0] = "old" // the same files were built again
	require.NoError(t, w.removeImages(t.Context()))
	releases.images[0] = "a"
	require.NoError(t, w.removeImages(t.Context()))
	require.Equal(t, []string{"old", "old"}, engine.removed)
}
