package causes

import (
	"regexp"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

// notListening is how the platform's own health check says that a process listens elsewhere, or nowhere.
var notListening = regexp.MustCompile(`nothing listens on port (\d{1,5}); the process listens on ([^\n]{1,200})`)

// placeOf is one place in such a line.
var placeOf = regexp.MustCompile(`(\[?[\w.:]*\]?):(\d{1,5})`)

// refused reads how the platform itself could not bring the suspect live.
func (d *docket) refused() {
	f := d.w.f
	if f.Deploy == nil || f.Deploy.Failure == nil {
		return
	}
	failure := f.Deploy.Failure
	s := sign{quote: failure.Message, cite: f.Deploy.Cite, onset: d.w.onset, says: inSentence(failure.Message), direct: true, text: "The deploy failed so."}
	category := platform.Category("")
	switch failure.Reason {
	case platform.FailureImage:
		category, s.score = platform.CategoryImagePull, 0.85
	case platform.FailureBuild:
		category, s.score = platform.CategoryBuildFailed, 0.7
	default:
		return
	}
	l := d.add(category, f.Incident.Service, s)
	for _, word := range strings.FieldsFunc(failure.Message, func(r rune) bool { return strings.ContainsRune(" \t\n\"'`,;()[]", r) }) {
		if word = strings.Trim(word, ".:/"); strings.ContainsAny(word, "/:._") && len(word) > 4 && len(l.names) < 12 {
			l.names = append(l.names, word)
		}
	}
	if f.Spec.Build != nil && f.Spec.Build.Dockerfile != "" {
		l.names = append(l.names, f.Spec.Build.Dockerfile)
	}
}

// artifact is the ending of a file that holds a model.
var artifact = regexp.MustCompile(`(?i)\.(?:safetensors|gguf|ggml|onnx|pt|pth|ckpt|pkl|joblib|h5|keras|tflite|npz|bin|model|mlmodel|engine|pb)$`)

// artifacts accuses the changes that replaced the model which cannot be loaded.
func (d *docket) artifacts() {
	for _, l := range d.order {
		if l.category != platform.CategoryBadModelArtifact {
			continue
		}
		for _, c := range d.w.suspects {
			for _, h := range c.Hunks {
				if c.Kind == platform.ChangeCommit && artifact.MatchString(h.Path()) && (c.service == l.service || c.service == "") {
					if l.accuses == nil {
						l.accuses = map[string]string{}
					}
					l.accuses[c.ID] = "it changed " + h.Path() + ", which holds a model"
				}
			}
		}
	}
}
