package store

import (
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/coxswain-hpc/coxswain/api"
)

var errEOF, errUnexpectedEOF = io.EOF, io.ErrUnexpectedEOF

// registerTypes teaches a connection our types: api.Ranges is int8multirange, times are UTC.
func registerTypes(m *pgtype.Map) {
	m.RegisterType(&pgtype.Type{Name: "int8multirange", OID: pgtype.Int8multirangeOID, Codec: rangesCodec{}})
	utc := &pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID,
		Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	}
	m.RegisterType(utc)
	m.RegisterType(&pgtype.Type{
		Name: "_timestamptz", OID: pgtype.TimestamptzArrayOID, Codec: &pgtype.ArrayCodec{ElementType: utc},
	})
}

// rangesCodec moves api.Ranges to and from int8multirange in the binary format.
type rangesCodec struct{}

var _ pgtype.Codec = rangesCodec{}

func (rangesCodec) FormatSupported(format int16) bool { return format == pgtype.BinaryFormatCode }
func (rangesCodec) PreferredFormat() int16            { return pgtype.BinaryFormatCode }

func (rangesCodec) PlanEncode(_ *pgtype.Map, _ uint32, _ int16, value any) pgtype.EncodePlan {
	if _, ok := value.(api.Ranges); ok {
		return encodeRanges{}
	}
	return nil
}

func (rangesCodec) PlanScan(_ *pgtype.Map, _ uint32, _ int16, target any) pgtype.ScanPlan {
	if _, ok := target.(*api.Ranges); ok {
		return scanRanges{}
	}
	return nil
}

func (rangesCodec) DecodeDatabaseSQLValue(*pgtype.Map, uint32, int16, []byte) (driver.Value, error) {
	return nil, errors.New("int8multirange is not used through database/sql")
}

func (rangesCodec) DecodeValue(_ *pgtype.Map, _ uint32, _ int16, src []byte) (any, error) {
	return decodeRanges(src)
}

// The binary form: a count, then per range its length and the range: flags, then each bound as a
// length and eight bytes. A canonical int8range always includes its lower and excludes its upper
// bound.
const (
	rangeBytes          = 1 + 2*(4+8)
	rangeLowerInclusive = 0x02
)

type encodeRanges struct{}

func (encodeRanges) Encode(value any, buf []byte) ([]byte, error) {
	set, ok := value.(api.Ranges)
	if !ok {
		return nil, fmt.Errorf("encode %T as int8multirange", value)
	}
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(set)))
	for _, r := range set {
		buf = binary.BigEndian.AppendUint32(buf, rangeBytes)
		buf = append(buf, rangeLowerInclusive)
		for _, bound := range []int64{r.From, r.To} {
			buf = binary.BigEndian.AppendUint32(buf, 8)
			buf = binary.BigEndian.AppendUint64(buf, uint64(bound))
		}
	}
	return buf, nil
}

type scanRanges struct{}

func (scanRanges) Scan(src []byte, dst any) error {
	set, err := decodeRanges(src)
	if err != nil {
		return err
	}
	target, ok := dst.(*api.Ranges)
	if !ok {
		return fmt.Errorf("scan int8multirange into %T", dst)
	}
	*target = set
	return nil
}

func decodeRanges(src []byte) (api.Ranges, error) {
	if len(src) < 4 {
		return nil, fmt.Errorf("int8multirange of %d bytes is too short", len(src))
	}
	n := int(binary.BigEndian.Uint32(src))
	src = src[4:]
	if n == 0 {
		return nil, nil
	}
	if len(src) != n*(4+rangeBytes) {
		return nil, fmt.Errorf(
			"int8multirange with %d pieces has %d bytes: a piece has no bounds", n, len(src),
		)
	}
	set := make(api.Ranges, n)
	for i := range set {
		piece := src[i*(4+rangeBytes):]
		if piece[4] != rangeLowerInclusive {
			return nil, fmt.Errorf("int8multirange piece %d has flags %#x", i, piece[4])
		}
		set[i] = api.Range{
			From: int64(binary.BigEndian.Uint64(piece[9:])),
			To:   int64(binary.BigEndian.Uint64(piece[21:])),
		}
	}
	return set, nil
}

// rangesText is Postgres' text form, for lists of sets.
func rangesText(set api.Ranges) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, r := range set {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "[%d,%d)", r.From, r.To)
	}
	b.WriteByte('}')
	return b.String()
}

// instant is a time as Postgres keeps it: UTC, whole microseconds.
func instant(t time.Time) time.Time { return t.Round(0).UTC().Truncate(time.Microsecond) }

// instantOf gives the year 1 for no time, the form that lists have in SQL.
func instantOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return instant(*t)
}
