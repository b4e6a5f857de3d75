package triage

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/fairlead/fairlead/agent/bundle"
	"github.com/fairlead/fairlead/agent/series"
)

// How alerts behave that need nobody.
const (
	manyFirings  = 4 // in an hour, with short stays
	constantly   = 8 // in an hour: more than every eight minutes
	shortStay    = 5 * time.Minute
	longerStay   = 15 * time.Minute
	barely       = 1.5  // times the threshold
	hardly       = 1.25 // times the threshold, for those that stay longer
	grossly      = 3.0
	rolloutTakes = 20 * time.Minute
	farFromEnd   = 21.0 // days of a certificate
	nearEnd      = 14.0
)

// plannedStop suppresses what tells that a service is down which somebody stopped.
func (w *world) plannedStop(j *judged) bool {
	if !j.about.is(down) && !(len(j.about.topics) == 0 && j.about.chatty == "") && !j.about.is(errorsTopic) {
		return false
	}
	why := w.stoppedOnPurpose(j.alert.Service)
	if why == nil {
		return false
	}
	j.planned = true
	j.suppress(Planned, fmt.Sprintf("%s was stopped on purpose.", j.alert.Service), why...)
	return true
}

// stoppedOnPurpose returns what shows that somebody stopped the whole service: nobody runs it, and none died.
func (w *world) stoppedOnPurpose(service string) []string {
	var out []string
	for _, in := range w.b.Instances {
		if in.Service != service {
			continue
		}
		if !ended(in) || !asked(in.StoppedBy) && (!somebody(in.StoppedBy) || in.OOMKilled || w.announced(service, in.FinishedAt, false) == nil) {
			return nil
		}
		out = append(out, in.Instance)
	}
	for _, c := range w.b.Changes {
		words := " " + plain(c.Message+" "+c.Diff)
		if c.Service != service || c.Kind == "commit" || w.end.Sub(c.At) > 12*time.Hour {
			continue
		}
		for _, phrase := range []string{" to 0 ", " to zero ", " decommission", " planned stop ", " stopped ", " shut down ", " shutdown ", " replicas 0 ", " pause"} {
			if strings.Contains(words, phrase) && (c.Kind == "scale" || c.Kind == "infra" || c.Kind == "deploy" || len(out) > 0) {
				return append(out, c.ID)
			}
		}
		if len(out) > 0 && stopWork.MatchString(words) { // that work was announced does not show that this is it
			return append(out, c.ID)
		}
	}
	return out
}

// asked reports whether a person, or what acts for one, ended an instance for good; a rollout brings another one.
func asked(by string) bool {
	words := " " + plain(by)
	for _, w := range []string{" user ", " operator ", " admin ", " human ", " scale ", " scaler ", " autoscaler ", " scheduler ", " maintenance ", " planned ", " cron ", " scaledown ", " engineer "} {
		if strings.Contains(words, w) {
			return true
		}
	}
	return false
}

// dataLoss pages what tells of lost data, whatever else holds.
func (w *world) dataLoss(j *judged) bool {
	if !j.about.is(loss) {
		return false
	}
	j.floor = true
	j.page(Outage, "It tells of lost or damaged data.")
	return true
}

// certificate judges by the days that are left.
func (w *world) certificate(j *judged) bool {
	if !j.about.is(certificate) || j.about.is(errorsTopic) {
		return false
	}
	days, cite, ok := w.daysLeft(j)
	switch {
	case !ok:
		return false
	case days <= nearEnd:
		j.floor, j.spent = true, days <= 0
		j.page(Outage, fmt.Sprintf("The certificate ends in %.3g days.", days), cite)
	case days >= farFromEnd:
		j.suppress(Chatter, fmt.Sprintf("The certificate is good for another %.3g days.", days), cite)
	default:
		return false
	}
	return true
}

func (w *world) daysLeft(j *judged) (days float64, cite string, ok bool) {
	metric, value := j.alert.Metric, 0.0
	switch {
	case j.series != nil && j.about.meaning == series.CertDays:
		value, cite, metric = j.series.Points[len(j.series.Points)-1].Value, j.series.cite(), j.series.Metric
	case j.alert.Value != nil:
		value = *j.alert.Value
	default:
		return 0, "", false
	}
	words := " " + plain(metric+" "+j.alert.Name)
	switch {
	case value > 1e9:
		return (value - float64(w.end.Unix())) / 86400, cite, true
	case strings.Contains(words, " seconds "):
		return value / 86400, cite, true
	case strings.Contains(words, " hours "):
		return value / 24, cite, true
	}
	return value, cite, true
}

// churn suppresses restarts of a rollout that is through and well.
func (w *world) churn(j *judged) bool {
	a := j.alert
	if !j.about.is(down) && !(j.about.is(latency, errorsTopic, traffic) && a.ResolvedAfter > 0) || a.Service == "" {
		return false
	}
	if e := w.effect(a.Service); e.outage {
		return false
	}
	for _, c := range w.b.Changes {
		since := a.At.Sub(c.At)
		if c.Kind != "deploy" || c.Service != a.Service || since > rolloutTakes || since < -2*time.Minute {
			continue
		}
		if a.Release != "" && c.Release != "" && a.Release != c.Release {
			continue
		}
		if well := w.wellAgain(j, firstOf(a.Release, c.Release)); well != nil {
			j.suppress(Churn, fmt.Sprintf("It came while %s was rolled out, and %s is well since.", c.ID, a.Service), append([]string{c.ID}, well...)...)
			return true
		}
	}
	return false
}

// wellAgain returns what shows that a service is well after a rollout; nil when nothing does.
func (w *world) wellAgain(j *judged, release string) []string {
	var out []string
	for _, in := range w.b.Instances {
		if in.Service != j.alert.Service || release != "" && in.Release != "" && in.Release != release {
			continue
		}
		if (ended(in) || unwell(in.State)) && !purposeful(in.StoppedBy) || in.OOMKilled || running(in.State) && in.Restarts >= minDying {
			return nil
		}
		if running(in.State) {
			out = append(out, in.Instance)
		}
	}
	if cite, ok := w.backInBand(j); ok {
		return append(out, cite)
	}
	if j.alert.ResolvedAfter > 0 && j.alert.ResolvedAfter <= rolloutTakes {
		return append(out, j.Alert)
	}
	return out
}

// outage pages what users notice.
func (w *world) outage(j *judged) bool {
	if !j.about.effect() && len(j.about.topics) > 0 || j.about.chatty != "" && !harm.MatchString(j.about.words) {
		return false
	}
	if e := w.effect(j.alert.Service); e.outage {
		j.floor = true
		j.page(Outage, sentence(e.words), e.evidence...)
		return true
	}
	return w.outageByValue(j) || w.keepsDying(j)
}

// outageByValue reads the value that the alert itself brings, where no series says otherwise.
func (w *world) outageByValue(j *judged) bool {
	a := j.alert
	if a.Value == nil || j.series != nil {
		return false
	}
	switch j.about.meaning {
	case series.ErrorShare, series.Success:
		part := share(a.Metric, *a.Value, math.Max(*a.Value, thresholdOf(a)))
		if j.about.meaning == series.Success {
			part = 1 - part
		}
		if part >= burstShare && a.ResolvedAfter == 0 || part >= burstShare && (a.ResolvedAfter >= burstFor || a.FiredLastHour >= manyFirings) || part >= outageShare && a.ResolvedAfter == 0 && a.FiredLastHour < manyFirings {
			j.floor = true
			j.page(Outage, fmt.Sprintf("%s of the requests to %s fail.", percent(part), a.Service))
			return true
		}
	case series.Up, series.Replicas:
		if *a.Value <= 0 && a.ResolvedAfter == 0 {
			j.floor = true
			j.page(Outage, fmt.Sprintf("No instance of %s is up (%s is %g).", a.Service, a.Metric, *a.Value))
			return true
		}
	default:
	}
	return false
}

func thresholdOf(a *bundle.Alert) float64 {
	if a.Threshold == nil {
		return 0
	}
	return *a.Threshold
}

// keepsDying pages an instance that dies again and again although others serve.
func (w *world) keepsDying(j *judged) bool {
	if !j.about.is(down, memory) {
		return false
	}
	for _, in := range w.b.Instances {
		if in.Service != j.alert.Service || purposeful(in.StoppedBy) || in.Restarts < minDying || !(ended(in) || unwell(in.State)) {
			continue
		}
		j.floor = true
		j.page(Outage, fmt.Sprintf("%s of %s keeps dying: %d restarts.", firstOf(in.Instance, "an instance"), in.Service, in.Restarts), in.Instance)
		return true
	}
	return false
}

// chatter suppresses what asks nobody to look now and shows no effect.
func (w *world) chatter(j *judged) bool {
	if p := w.patternOf(j.alert); p != nil && benign(p, j.alert.Value == nil, len(j.about.topics) == 0) {
		j.suppress(Chatter, "The lines that it is about tell of nothing bad.", p.ID)
		return true
	}
	c := j.about.chatty
	if c == "" || harm.MatchString(j.about.words) || c == notice && (strings.Contains(j.about.words, "success rate") || j.about.meaning == series.Success) {
		return false
	}
	measures := meaningTopics[j.about.meaning]
	switch measures {
	case errorsTopic, latency, down, queue, pool, refusals:
	default:
		if c == cost || measures == "" || measures == certificate {
			measures = ""
		}
	}
	if _, in := w.backInBand(j); measures != "" && !in {
		return false // it measures what matters, whatever it is called
	}
	if c == cost && strings.Contains(j.about.words, "budget ") && j.about.is(latency, memory, errorsTopic, budget) {
		return false
	}
	e := w.effect(j.alert.Service)
	words := "nothing shows an effect on users"
	if e.known && !e.outage {
		words = "users notice nothing: " + firstOf(e.words, "its instances are well")
	}
	j.suppress(Chatter, fmt.Sprintf("It is about %s, and %s.", c, words), e.evidence...)
	return true
}

// patternOf finds the counted pattern that an alert names by id or by its words; where it gives a part of them, that of its
// own service.
func (w *world) patternOf(a *bundle.Alert) *bundle.Pattern {
	for i, p := range w.b.Patterns {
		if a.Pattern != "" && (p.ID == a.Pattern || strings.EqualFold(p.Signature, a.Pattern)) {
			return &w.b.Patterns[i]
		}
	}
	var found *bundle.Pattern
	for i, p := range w.b.Patterns {
		if p.Service != a.Service || len(strings.Fields(a.Pattern)) < 2 || !strings.Contains(plain(p.Signature), plain(a.Pattern)) {
			continue
		}
		if found != nil {
			return nil // it may be either
		}
		found = &w.b.Patterns[i]
	}
	return found
}

const floods = 20.0 // times as many lines as usual are too many, whatever they say

// benign reports whether lines tell of nothing bad and are not too many. More than usual may be what an alert counts, unless it is
// about the lines alone: then that they are new is all that it says.
func benign(p *bundle.Pattern, uncounted, linesAlone bool) bool {
	if p.Delta == nil || harm.MatchString(plain(p.Signature)) {
		return false
	}
	if (!uncounted || *p.Delta > 0.1) && (!linesAlone || *p.Delta >= floods) {
		return false
	}
	switch p.Sentiment {
	case "positive", "neutral", "info", "benign", "normal", "good":
		return true
	}
	return false
}

// flapping suppresses what comes and goes without an effect.
func (w *world) flapping(j *judged) bool {
	a := j.alert
	crossings, tail := w.crossings(j)
	often := a.FiredLastHour >= manyFirings && a.ResolvedAfter > 0 && a.ResolvedAfter <= shortStay || a.FiredLastHour >= constantly && a.ResolvedAfter <= longerStay
	seen := crossings >= 2*manyFirings && tail < shortStay
	if !often && !seen || tail >= shortStay {
		return false
	}
	e := w.effect(a.Service)
	if !e.known {
		if ratio, ok := j.beyond(valueOf(a)); ok && a.Value != nil && ratio >= grossly && j.about.effect() {
			return false
		}
		if j.about.is(down) && w.diesByName(j) {
			return false
		}
	}
	words := fmt.Sprintf("It fired %d times in an hour", a.FiredLastHour)
	if a.FiredLastHour == 0 {
		words = fmt.Sprintf("Its value crossed the threshold %d times in an hour", crossings)
	}
	if a.ResolvedAfter > 0 {
		words += fmt.Sprintf(" and was over after %s", a.ResolvedAfter)
	}
	j.suppress(Flapping, words+"; "+calm(e)+".", append(e.evidence, j.citeSeries())...)
	return true
}

// diesByName reports whether an alert says that something dies again and again, which comes and goes by its nature.
func (w *world) diesByName(j *judged) bool {
	for _, word := range []string{"crash", "restart", "oom", "exit", "died", "killed"} {
		if strings.Contains(j.about.words, word) {
			return true
		}
	}
	return false
}

func calm(e effect) string {
	if e.known {
		return firstOf(e.words, "the service is well")
	}
	return "nothing shows an effect on users"
}

func valueOf(a *bundle.Alert) float64 {
	if a.Value == nil {
		return 0
	}
	return *a.Value
}

func (j *judged) citeSeries() string {
	if j.series == nil {
		return ""
	}
	return j.series.cite()
}

// transient suppresses what went by itself, soon, and left nothing behind.
func (w *world) transient(j *judged) bool {
	a := j.alert
	cite, back := w.backInBand(j)
	if j.series != nil && !back && a.Threshold != nil {
		return false // it is over the threshold still, whatever is said of it
	}
	e := w.effect(a.Service)
	ratio, ok := j.beyond(valueOf(a))
	slight := ok && a.Value != nil && ratio <= barely
	clean := back || e.known || !j.about.effect() || a.Value == nil && j.about.is(latency) && !j.about.is(errorsTopic, down, queue)
	switch {
	case a.ResolvedAfter > 0 && a.ResolvedAfter <= shortStay && (slight || clean):
	case a.ResolvedAfter > 0 && a.ResolvedAfter <= longerStay && slight && ratio <= hardly && (back || e.known):
	case a.ResolvedAfter == 0 && back && w.stay(j) <= longerStay && a.FiredLastHour <= constantly:
	default:
		return false
	}
	words := "It went by itself"
	if a.ResolvedAfter > 0 {
		words += fmt.Sprintf(" after %s", a.ResolvedAfter)
	}
	if slight {
		words += fmt.Sprintf(", at %.3g times its threshold", ratio)
	}
	if back {
		words += ", and its series is back in the band"
	}
	j.suppress(Transient, words+".", append(e.evidence, cite)...)
	return true
}

// backInBand reports whether the newest points of the alert's series are in the band again.
func (w *world) backInBand(j *judged) (cite string, back bool) {
	if j.series == nil || j.alert.Threshold == nil {
		return "", false
	}
	points := j.series.since(time.Time{})
	if len(points) < minDying || !j.alert.At.IsZero() && points[len(points)-1].At.Before(j.alert.At) {
		return "", false
	}
	for _, p := range points[len(points)-minDying:] {
		if ratio, ok := j.beyond(p.Value); !ok || ratio >= 1 {
			return "", false
		}
	}
	return j.series.cite(), true
}

// stay is the longest that the series was beyond its threshold.
func (w *world) stay(j *judged) time.Duration {
	points := make([]bundle.Point, 0, len(j.series.Points))
	for _, p := range j.series.since(time.Time{}) {
		ratio, _ := j.beyond(p.Value)
		points = append(points, bundle.Point{At: p.At, Value: ratio})
	}
	_, longest, _ := bursts(points, 1)
	return longest
}

// crossings counts how often the series crossed its threshold in the last hour, and how long it has been beyond it now.
func (w *world) crossings(j *judged) (n int, tail time.Duration) {
	if j.series == nil || j.alert.Threshold == nil {
		return 0, 0
	}
	points := j.series.since(w.end.Add(-time.Hour))
	start := -1
	for i, p := range points {
		ratio, _ := j.beyond(p.Value)
		switch over := ratio >= 1; {
		case over && start < 0:
			start = i
			n++
		case !over && start >= 0:
			start = -1
			n++
		}
	}
	if start >= 0 {
		tail = points[len(points)-1].At.Sub(points[start].At)
	}
	return n, tail
}

// harmless suppresses a level that is hardly over its threshold, does not move and hurts nobody: users notice nothing, or it is
// known how far its limit is and it has stood there for long.
func (w *world) harmless(j *judged) bool {
	if j.series == nil || j.alert.Threshold == nil || j.about.effect() || j.about.is(certificate, loss) {
		return false
	}
	shape := j.series.read()
	e := w.effect(j.alert.Service)
	ratio, _ := j.beyond(shape.Last)
	seen := w.end.Sub(j.series.Points[0].At)
	if len(j.series.Points) < 10 || seen < rolloutTakes || ratio > 1.1 || e.outage || !w.still(j.series) {
		return false
	}
	words := calm(e)
	if !e.known {
		now, lim, _, ok := w.fill(j)
		if !ok || lim.down || lim.value <= 0 || now > farFromFull*lim.value || seen < standsFor {
			return false
		}
		words = fmt.Sprintf("it has been there for %s, %s of its limit", roughly(seen), percent(now/lim.value))
	}
	j.suppress(Harmless, fmt.Sprintf("It is steady at %.3g, %.3g times its threshold; %s.", shape.Last, ratio, words), append(e.evidence, j.series.cite())...)
	return true
}

const (
	farFromFull = 0.9           // of a limit
	standsFor   = 6 * time.Hour // is long enough to believe that it stands
)

// still reports whether a series neither stepped nor climbs: its halves have one level.
func (w *world) still(m *measured) bool {
	if m.read().Kind == series.Flat {
		return true
	}
	points := m.since(time.Time{})
	early, late := median(valuesOf(points[:len(points)/2])), median(valuesOf(points[len(points)/2:]))
	tail := median(valuesOf(points[len(points)-max(1, len(points)/8):]))
	return math.Abs(late-early) <= 0.01*math.Abs(early) && math.Abs(tail-early) <= 0.01*math.Abs(early)
}

// otherwise pages: nothing explains the alert away.
func (w *world) otherwise(j *judged) {
	a := j.alert
	if j.series != nil && a.Threshold != nil {
		last := j.series.read().Last
		j.page(Sustained, fmt.Sprintf("%s is %.4g with a threshold of %.4g, and nothing explains it away.", j.series.Metric, last, *a.Threshold), j.series.cite())
		return
	}
	words := "nothing that was recorded shows that it is harmless"
	if j.series == nil && a.Metric != "" {
		words = fmt.Sprintf("the series %s was not recorded, so nothing shows that it is harmless", a.Metric)
	}
	j.page(Unknown, sentence(words), j.citeSeries())
}

func sentence(words string) string {
	if words == "" {
		return ""
	}
	return strings.ToUpper(words[:1]) + words[1:] + "."
}
