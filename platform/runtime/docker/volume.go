package docker

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/volume"

	"github.com/fairlead/fairlead/platform/runtime"
)

// Volumes returns our volumes with what is on them. On this host their folders are walked; an engine elsewhere is asked,
// which takes it longer.
func (r *Runtime) Volumes(ctx context.Context) ([]runtime.Volume, error) {
	const doing = "measure volumes"
	list, err := r.client(ctx).VolumeList(ctx, volume.ListOptions{Filters: r.match(nil)})
	if err != nil {
		return nil, fail(doing, err)
	}
	found := make([]runtime.Volume, 0, len(list.Volumes))
	for _, v := range list.Volumes {
		used, err := folderBytes(ctx, v.Mountpoint)
		if ctx.Err() != nil {
			return nil, fail(doing, ctx.Err())
		}
		if err != nil {
			return r.askedVolumes(ctx, doing)
		}
		found = append(found, runtime.Volume{Name: v.Name, Labels: v.Labels, Bytes: used})
	}
	return found, nil
}

func (r *Runtime) askedVolumes(ctx context.Context, doing string) ([]runtime.Volume, error) {
	usage, err := r.client(ctx).DiskUsage(ctx, types.DiskUsageOptions{Types: []types.DiskUsageObject{types.VolumeObject}})
	if err != nil {
		return nil, fail(doing, err)
	}
	var found []runtime.Volume
	for _, v := range usage.Volumes {
		if v != nil && r.ours(v.Labels) && v.UsageData != nil && v.UsageData.Size >= 0 {
			found = append(found, runtime.Volume{Name: v.Name, Labels: v.Labels, Bytes: v.UsageData.Size})
		}
	}
	return found, nil
}

// folderBytes sums what the files below dir take on the disk, each file with several names once. Files that vanish
// meanwhile are left out.
func folderBytes(ctx context.Context, dir string) (int64, error) {
	var total int64
	seen := map[[2]uint64]bool{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && path != dir && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			total += info.Size()
			return nil
		}
		if key := [2]uint64{uint64(stat.Dev), stat.Ino}; stat.Nlink > 1 && !d.IsDir() {
			if seen[key] {
				return nil
			}
			seen[key] = true
		}
		total += stat.Blocks * 512
		return nil
	})
	return total, err
}
