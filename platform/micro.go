package platform

import (
	"math"
	"math/big"
	"strings"
)

// Micro is a decimal number counted in millionths, for amounts and money that must add up exactly. It is written as
// decimal text ("12.5") in JSON, so that no reader makes a binary fraction of it.
type Micro int64

// MicroOne is 1.
const MicroOne Micro = 1_000_000

// MicroOf returns the nearest millionth, of two the even one. What does not fit, NaN included, becomes the nearest that does.
func MicroOf(f float64) Micro {
	switch v := math.RoundToEven(f * float64(MicroOne)); {
	case math.IsNaN(v):
		return 0
	case v >= math.MaxInt64:
		return math.MaxInt64
	case v <= math.MinInt64:
		return math.MinInt64
	default:
		return Micro(v)
	}
}

// ParseMicro reads decimal text with at most six places; anything else is an invalid error.
func ParseMicro(text string) (Micro, error) {
	whole, places, _ := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	digits := whole + places + strings.Repeat("0", max(0, 6-len(places)))
	bad := whole == "" || len(places) > 6 || strings.HasSuffix(text, ".") || len(digits) > 18 || strings.Trim(digits, "0123456789") != ""
	if bad {
		return 0, Errorf(CodeInvalid, "%q is not a decimal number with at most 6 places.", Truncate(text, 40)).WithHint("Write it as 12.5.")
	}
	var n Micro
	for _, d := range digits {
		n = n*10 + Micro(d-'0')
	}
	if strings.HasPrefix(text, "-") {
		n = -n
	}
	return n, nil
}

// String writes m in decimal notation without needless zeros.
func (m Micro) String() string {
	text := m.Fixed(6)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// Fixed writes m with that many places, 0 to 6, the last one rounded to the nearest, of two to the even one.
func (m Micro) Fixed(places int) string {
	unit := big.NewInt(1)
	for range 6 - places {
		unit.Mul(unit, big.NewInt(10))
	}
	n := divide(big.NewInt(int64(m)), unit)
	sign := ""
	if n.Sign() < 0 {
		sign = "-"
		n.Abs(n)
	}
	text := n.String()
	if short := places + 1 - len(text); short > 0 {
		text = strings.Repeat("0", short) + text
	}
	if places == 0 {
		return sign + text
	}
	return sign + text[:len(text)-places] + "." + text[len(text)-places:]
}

// Float returns m as the nearest float64.
func (m Micro) Float() float64 { return float64(m) / float64(MicroOne) }

// MarshalText writes m in decimal notation.
func (m Micro) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads decimal notation; anything else is an invalid error.
func (m *Micro) UnmarshalText(text []byte) error {
	parsed, err := ParseMicro(string(text))
	if err != nil {
		return err
	}
	*m = parsed
	return nil
}

// TimesOver returns m times n over by without an error on the way, rounded once to the nearest, of two to the even one.
func (m Micro) TimesOver(n, by int64) Micro {
	product := new(big.Int).Mul(big.NewInt(int64(m)), big.NewInt(n))
	out := divide(product, big.NewInt(by))
	if !out.IsInt64() {
		return math.MaxInt64
	}
	return Micro(out.Int64())
}

// divide returns n over by, by being positive, rounded to the nearest, of two to the even one.
func divide(n, by *big.Int) *big.Int {
	q, r := new(big.Int).DivMod(n, by, new(big.Int)) // 0 <= r < by
	twice := r.Lsh(r, 1).Cmp(by)
	if twice > 0 || twice == 0 && q.Bit(0) == 1 {
		q.Add(q, big.NewInt(1))
	}
	return q
}
