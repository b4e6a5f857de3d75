package docker

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/fairlead/fairlead/platform/runtime"
)

// Stats returns one sample. ErrRefused when the container is not running.
func (r *Runtime) Stats(ctx context.Context, id string) (runtime.Stats, error) {
	doing := "sample container " + short(id)
	found, err := r.owned(ctx, doing, id)
	if err != nil {
		return runtime.Stats{}, err
	}
	if !found.State.Running {
		return runtime.Stats{}, notRunning(doing)
	}
	answer, err := r.client(ctx).ContainerStatsOneShot(ctx, found.ID)
	if err != nil {
		return runtime.Stats{}, fail(doing, err)
	}
	defer func() { _ = answer.Body.Close() }()
	var sample container.StatsResponse
	if err := json.NewDecoder(answer.Body).Decode(&sample); err != nil {
		return runtime.Stats{}, fail(doing, err)
	}
	made := stats(sample)
	groupStats("/", found.State.Pid, found.ID, &made)
	return made, nil
}

func stats(sample container.StatsResponse) runtime.Stats {
	made := runtime.Stats{
		At:          sample.Read.UTC(),
		CPUSeconds:  seconds(sample.CPUStats.CPUUsage.TotalUsage),
		MemoryBytes: workingSet(sample.MemoryStats),
		MemoryUsage: int64(sample.MemoryStats.Usage),
		MemoryLimit: int64(sample.MemoryStats.Limit),
		Throttled:   seconds(sample.CPUStats.ThrottlingData.ThrottledTime),
		PIDs:        int64(sample.PidsStats.Current),
	}
	for _, network := range sample.Networks {
		made.NetRxBytes += int64(network.RxBytes)
		made.NetTxBytes += int64(network.TxBytes)
	}
	for _, entry := range sample.BlkioStats.IoServiceBytesRecursive {
		switch strings.ToLower(entry.Op) {
		case "read":
			made.ReadBytes += int64(entry.Value)
		case "write":
			made.WriteBytes += int64(entry.Value)
		}
	}
	return made
}

func seconds(nanos uint64) float64 { return time.Duration(nanos).Seconds() }

// workingSet is usage less the file cache that the kernel would drop first: what counts towards an OOM kill.
// The two control group versions name that cache differently.
func workingSet(memory container.MemoryStats) int64 {
	cache, ok := memory.Stats["total_inactive_file"]
	if !ok {
		cache = memory.Stats["inactive_file"]
	}
	if cache > memory.Usage {
		return 0
	}
	return int64(memory.Usage - cache)
}
