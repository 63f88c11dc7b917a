package api_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func TestParseMemorySlurm(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int64{
		"512": 512 * api.MiB, "0": 0, "16G": 16 * api.GiB, "16g": 16 * api.GiB, "16GB": 16 * api.GiB,
		"16Gb": 16 * api.GiB, "16GiB": 16 * api.GiB, "16Gi": 16 * api.GiB, "1T": api.TiB, "2M": 2 * api.MiB,
		"2048K": 2 * api.MiB, "1K": api.MiB, "1025k": 2 * api.MiB, "1P": api.PiB,
	} {
		got, err := api.ParseMemorySlurm(s)
		require.NoError(t, err, s)
		require.Equal(t, want, got, s)
	}
}

func TestParseMemorySlurmErrors(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "G", "1.5G", "-1", "16X", "16 G", "16BG", "16B", "1e3", "+1G", "16GG"} {
		_, err := api.ParseMemorySlurm(s)
		require.ErrorContains(t, err, "write a whole number with K, M, G or T", s)
	}
	for _, s := range []string{"2P", "1048577G", "9223372036854775807T", "99999999999999999999"} {
		_, err := api.ParseMemorySlurm(s)
		require.Equal(t, api.CodeLimit, api.CodeOf(err), s)
	}
}

func TestParseMemoryYAML(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int64{
		"16Gi": 16 * api.GiB, "16G": 16e9, "1.5Gi": 1536 * api.MiB, "100": 100, "1e3": 1000, "2E3": 2000,
		"1500m": 2, "5k": 5000, "0": 0, "1Ki": 1024, "0.5Ki": 512, "129M": 129e6,
	} {
		got, err := api.ParseMemoryYAML(s)
		require.NoError(t, err, s)
		require.Equal(t, want, got, s)
	}
	for _, s := range []string{"", "Gi", "1K", "16g", "1e99999999", "1..5", "1.", ".5", "1/2", "0x10", "-1", "1_0"} {
		_, err := api.ParseMemoryYAML(s)
		require.Equal(t, api.CodeInvalid, api.CodeOf(err), s)
	}
	_, err := api.ParseMemoryYAML("10E")
	require.Equal(t, api.CodeLimit, api.CodeOf(err))
}

func TestParseCPUs(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int64{
		"2": 2000, "500m": 500, "0.5": 500, "0.0001": 1, "1.25": 1250, "0": 0, "128": 128000,
	} {
		got, err := api.ParseCPUs(s)
		require.NoError(t, err, s)
		require.Equal(t, want, got, s)
	}
	for _, s := range []string{"", "m", "1k", "-1", "x", "1e3", "2Ki", "1M"} {
		_, err := api.ParseCPUs(s)
		require.Equal(t, api.CodeInvalid, api.CodeOf(err), s)
	}
	_, err := api.ParseCPUs("99999999999999")
	require.Equal(t, api.CodeLimit, api.CodeOf(err))
}

func TestFormatQuantities(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 512 * api.MiB: "512 MiB", 1536 * api.MiB: "1.5 GiB", api.TiB: "1 TiB",
		api.GiB - 1: "1 GiB", 1 << 62: "4 EiB", -api.MiB: "-1 MiB",
	} {
		require.Equal(t, want, api.FormatBytes(n))
	}
	for n, want := range map[int64]string{0: "0", 2000: "2", 500: "0.5", 1250: "1.25", 1001: "1.001", -500: "-0.5"} {
		require.Equal(t, want, api.FormatCPUs(n))
	}
}

func FuzzQuantities(f *testing.F) {
	for _, s := range []string{"16G", "512", "1.5Gi", "500m", "1e18", "0.0000001", "16GiB", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := api.ParseMemorySlurm(s); err == nil {
			require.True(t, n >= 0 && n <= api.MemoryBytesMax && n%api.MiB == 0)
		}
		if n, err := api.ParseMemoryYAML(s); err == nil {
			require.True(t, n >= 0 && n <= api.MemoryBytesMax)
		}
		if n, err := api.ParseCPUs(s); err == nil {
			back, err := api.ParseCPUs(api.FormatCPUs(n))
			require.NoError(t, err)
			require.Equal(t, n, back)
		}
	})
}
