package header

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/coxswain-hpc/coxswain/api"
)

// dependenciesMax bounds the conditions of one job: the leader looks at each of them.
const dependenciesMax = 1000

// setDependency reads afterok:20:21,after:23+10,singleton. Commas mean all, question marks any.
func setDependency(o *Options, v string) error {
	separator := ","
	if strings.Contains(v, "?") {
		separator = "?"
		if strings.Contains(v, ",") {
			return fmt.Errorf("%q mixes , (all) and ? (any); use one of them", clip(v))
		}
	}
	var all []api.Dependency
	for part := range strings.SplitSeq(v, separator) {
		deps, err := parseDependency(strings.TrimSpace(part))
		if err != nil {
			return err
		}
		if all = append(all, deps...); len(all) > dependenciesMax {
			return fmt.Errorf("more than %d dependencies", dependenciesMax)
		}
	}
	o.Dependencies, o.DependencyAny = all, separator == "?"
	return nil
}

// parseDependency reads one kind with its jobs; without a kind it is afterany.
func parseDependency(part string) ([]api.Dependency, error) {
	if part == "" {
		return nil, errors.New("it is empty; write afterok:42, or leave the option out")
	}
	if strings.EqualFold(part, string(api.DependencySingleton)) {
		return []api.Dependency{{Kind: api.DependencySingleton, OnIndex: api.NoIndex}}, nil
	}
	word, ids, _ := strings.Cut(part, ":")
	if word != "" && word[0] >= '0' && word[0] <= '9' {
		word, ids = string(api.DependencyAfterAny), part
	}
	kind, err := dependencyKind(word)
	if err != nil {
		return nil, err
	}
	var deps []api.Dependency
	for id := range strings.SplitSeq(ids, ":") {
		d, err := parseOn(kind, id)
		if err != nil {
			return nil, err
		}
		deps = append(deps, d)
	}
	return deps, nil
}

func dependencyKind(word string) (api.DependencyKind, error) {
	switch kind := api.DependencyKind(strings.ToLower(word)); kind {
	case api.DependencyAfter, api.DependencyAfterAny, api.DependencyAfterOK, api.DependencyAfterNotOK,
		api.DependencyAfterCorr:
		return kind, nil
	case api.DependencySingleton:
		return "", errors.New("singleton takes no job id")
	case "afterburstbuffer", "expand":
		return "", notYet("the dependency %s is not done yet", clip(word))
	}
	return "", fmt.Errorf("%q is no kind of dependency; write after, afterany, afterok, afternotok, "+
		"aftercorr or singleton", clip(word))
}

// delayMinutesMax bounds the delay of after:42+10 to a year.
const delayMinutesMax = 366 * 24 * 60

// parseOn reads 42, 42_7 (an array task), 42_* and, with "after", 42+10 (minutes).
func parseOn(kind api.DependencyKind, id string) (api.Dependency, error) {
	d := api.Dependency{Kind: kind, OnIndex: api.NoIndex}
	id, delay, delayed := strings.Cut(id, "+")
	if id == "" {
		return d, fmt.Errorf("%s has no job id behind the colon (is a shell variable empty?)", kind)
	}
	on, err := api.ParseInstance(strings.TrimSuffix(id, "_*"))
	if err != nil || on.Rank != 0 {
		return d, fmt.Errorf("%q is no job id; write 42, or 42_7 for an array task", clip(id))
	}
	d.On, d.OnIndex = on.Owner, on.Index
	if !delayed {
		return d, nil
	}
	minutes, err := strconv.ParseUint(strings.TrimSpace(delay), 10, 63)
	if err != nil || minutes > delayMinutesMax || kind != api.DependencyAfter {
		return d, fmt.Errorf("%q: minutes behind a + go with after alone, such as after:42+10", clip(delay))
	}
	d.DelaySeconds = int64(minutes) * 60
	return d, nil
}
