package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// serverCPU returns the CPU seconds that a process has used, 0 where /proc does
// not tell.
func serverCPU(pid string) float64 {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if pid == "" || err != nil {
		return 0
	}
	// The name in parentheses may hold spaces; user and system time are the
	// 12th and 13th field after it, in hundredths of a second.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100
}

// serverMemory returns a process's resident memory, now and at its highest, in
// megabytes of a million bytes.
func serverMemory(pid string) (now, peak float64) {
	b, err := os.ReadFile("/proc/" + pid + "/status")
	if pid == "" || err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		kilobytes, _ := strconv.ParseFloat(fields[1], 64)
		switch fields[0] {
		case "VmRSS:":
			now = round(kilobytes * 1024 / 1e6)
		case "VmHWM:":
			peak = round(kilobytes * 1024 / 1e6)
		}
	}
	return now, peak
}

// sizeOf returns the size of the files of a pattern together, in megabytes.
func sizeOf(pattern string) float64 {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return 0
	}
	var sum int64
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			sum += info.Size()
		}
	}
	return round(float64(sum) / 1e6)
}
