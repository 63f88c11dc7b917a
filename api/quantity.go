package api

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// The highest quantities that anything may ask for; sums of a cluster's worth of them fit an int64.
const (
	MemoryBytesMax int64 = 1 << 50
	CPUMillisMax   int64 = 1_000_000 * MillisPerCPU
)

// The binary units of memory, in bytes.
const (
	KiB int64 = 1 << 10
	MiB int64 = 1 << 20
	GiB int64 = 1 << 30
	TiB int64 = 1 << 40
	PiB int64 = 1 << 50
)

// quantityLenMax bounds the text of a quantity, and so the work of reading it.
const quantityLenMax = 64

var slurmUnits = map[string]int64{"": MiB, "K": KiB, "M": MiB, "G": GiB, "T": TiB, "P": PiB}

// ParseMemorySlurm reads memory as Slurm writes it: a whole number with K, M, G, T or P, all binary,
// in either case; a bare number is MiB. A B behind the unit is allowed, as sbatch allows it (16GB is
// 16 GiB). Like there, the result is rounded up to whole MiB. What 0 means is for the caller.
func ParseMemorySlurm(s string) (int64, error) {
	digits := strings.TrimRight(s, "bBiIkKmMgGtTpP")
	unit := strings.ToUpper(s[len(digits):])
	for _, tail := range []string{"IB", "B", "I"} {
		if short, cut := strings.CutSuffix(unit, tail); cut && short != "" {
			unit = short
			break
		}
	}
	factor, known := slurmUnits[unit]
	n, err := strconv.ParseUint(digits, 10, 63)
	if !known || (err != nil && !isRange(err)) {
		return 0, Errorf(CodeInvalid,
			"memory %q: write a whole number with K, M, G or T, such as 16G or 1536M; a bare number is MiB",
			clip(s))
	}
	if err != nil || int64(n) > MemoryBytesMax/factor {
		return 0, memoryTooMuch(s)
	}
	return (int64(n)*factor + MiB - 1) / MiB * MiB, nil
}

func memoryTooMuch(s string) error {
	return Errorf(CodeLimit, "memory %q is more than %s", clip(s), FormatBytes(MemoryBytesMax))
}

func isRange(err error) bool { return errors.Is(err, strconv.ErrRange) }

// yamlUnits are Kubernetes' suffixes as powers: binary ones of 2, decimal ones of 10.
var (
	yamlBinary  = map[string]int{"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
	yamlDecimal = map[string]int{"m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
)

// ParseMemoryYAML reads memory as a Kubernetes quantity: 16Gi is binary, 16G is 16*10^9, a bare
// number is bytes; decimals and exponents (1.5Gi, 1e9) are allowed. It rounds up to whole bytes.
func ParseMemoryYAML(s string) (int64, error) {
	v, ok := parseQuantity(s)
	if !ok || v.Sign() < 0 {
		return 0, Errorf(CodeInvalid,
			"memory %q: write a quantity such as 16Gi (binary), 16G (decimal) or a number of bytes", clip(s))
	}
	n, ok := ceil(v, MemoryBytesMax)
	if !ok {
		return 0, memoryTooMuch(s)
	}
	return n, nil
}

// ParseCPUs reads a number of CPUs into thousandths: 2, 0.5 or 500m. Finer parts round up.
func ParseCPUs(s string) (millis int64, err error) {
	v, ok := parseQuantity(s)
	if !ok || v.Sign() < 0 || strings.Trim(s, "0123456789.m") != "" {
		return 0, Errorf(CodeInvalid, "cpus %q: write a number such as 2, 0.5 or 500m", clip(s))
	}
	n, ok := ceil(v.Mul(v, big.NewRat(MillisPerCPU, 1)), CPUMillisMax)
	if !ok {
		return 0, Errorf(CodeLimit, "cpus %q are more than %s", clip(s), FormatCPUs(CPUMillisMax))
	}
	return n, nil
}

// parseQuantity reads a Kubernetes quantity exactly. Exponents are bounded to that of E, so that
// no input costs more than its length.
func parseQuantity(s string) (*big.Rat, bool) {
	if len(s) > quantityLenMax {
		return nil, false
	}
	end := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		end = len(s)
	}
	number, suffix := s[:end], s[end:]
	v, ok := new(big.Rat).SetString(number)
	if !ok || strings.HasPrefix(number, ".") || strings.HasSuffix(number, ".") {
		return nil, false
	}
	if p, binary := yamlBinary[suffix]; binary {
		return v.Mul(v, power(2, p)), true
	}
	p, decimal := yamlDecimal[suffix]
	if !decimal {
		if p, decimal = exponent(suffix); !decimal {
			return nil, false
		}
	}
	return v.Mul(v, power(10, p)), true
}

// exponent reads e9 or E-3.
func exponent(s string) (int, bool) {
	if s == "" || (s[0] != 'e' && s[0] != 'E') {
		return 0, false
	}
	n, err := strconv.Atoi(s[1:])
	return n, err == nil && n >= -18 && n <= 18
}

func power(base int64, exp int) *big.Rat {
	n := new(big.Int).Exp(big.NewInt(base), big.NewInt(int64(max(exp, -exp))), nil)
	if exp < 0 {
		return new(big.Rat).SetFrac(big.NewInt(1), n)
	}
	return new(big.Rat).SetInt(n)
}

// ceil rounds up and says whether the result is at most highest.
func ceil(v *big.Rat, highest int64) (int64, bool) {
	n := new(big.Int).Add(v.Num(), new(big.Int).Sub(v.Denom(), big.NewInt(1)))
	n.Quo(n, v.Denom())
	if !n.IsInt64() || n.Int64() > highest {
		return 0, false
	}
	return n.Int64(), true
}

var byteUnits = []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}

// FormatBytes writes bytes for people, to one decimal: 512 MiB, 1.5 GiB.
func FormatBytes(n int64) string {
	if n < 0 {
		return "-" + FormatBytes(-max(n, -MemoryBytesMax*KiB))
	}
	v, unit := float64(n), 0
	// 1023.95 would be written as 1024.0.
	for v >= 1023.95 && unit < len(byteUnits)-1 {
		v /= 1024
		unit++
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0") + " " + byteUnits[unit]
}

// FormatCPUs writes thousandths of a CPU as a number of CPUs: 2, 0.5, 1.25. ParseCPUs reads it.
func FormatCPUs(millis int64) string {
	s := strconv.FormatInt(millis/MillisPerCPU, 10)
	rest := millis % MillisPerCPU
	if rest < 0 {
		return "-" + FormatCPUs(-millis)
	}
	if rest == 0 {
		return s
	}
	return s + "." + strings.TrimRight(fmt.Sprintf("%03d", rest), "0")
}
