package expression

import (
	"os"
	"testing"
)

func readTestVectors(t testing.TB) []Vector {
	t.Helper()
	f, err := os.Open("testdata/expression-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	vs, err := ReadVectors(f)
	if err != nil {
		t.Fatal(err)
	}
	return vs
}

func TestVectors(t *testing.T) {
	for _, v := range readTestVectors(t) {
		t.Run(v.ID, func(t *testing.T) {
			if err := v.Run(); err != nil {
				t.Errorf("%s\nsource %v\n%v", v.Expression, v.Source, err)
			}
		})
	}
}
