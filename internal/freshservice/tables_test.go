package freshservice_test

import (
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"lockstep/internal/freshservice"
)

func TestTimeZone(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Eastern Time (US & Canada)":             "Eastern Time (US & Canada)",
		" eastern  time (us & canada)":           "Eastern Time (US & Canada)",
		"(GMT-05:00) Eastern Time (US & Canada)": "Eastern Time (US & Canada)",
		"(UTC+01:00) Berlin":                     "Berlin",
		"(GMT) London":                           "London",
		"(GMT+1) Paris":                          "Paris",
		"Europe/Berlin":                          "Berlin",
		"europe/berlin":                          "Berlin",
		"(GMT+01:00) Europe/Berlin":              "Berlin",
		"Europe/London":                          "London",
		"America/New_York":                       "Eastern Time (US & Canada)",
		"Asia/Kolkata":                           "Kolkata",
		"Asia/Calcutta":                          "Kolkata",
		"W. Europe Standard Time":                "",
		"Pacific Standard Time":                  "Pacific Time (US & Canada)",
		"AUS Eastern Standard Time":              "Sydney",
		"UTC":                                    "UTC",
		"Europe/Lisbon":                          "Lisbon",
	} {
		got, ok := freshservice.TimeZone(in)
		if want == "" {
			want = got // one of several that share the rules
		}
		if !ok || got != want {
			t.Errorf("TimeZone(%q) = %q, %v, want %q", in, got, ok, want)
		}
	}
	for _, in := range []string{"", " ", "Mars/Olympus", "Australia/Lord_Howe", "Lord Howe Standard Time", "(GMT+01:00)", "(GMT+01:00) ", "GMT+1 Berlin", "Berlin, Germany"} {
		if got, ok := freshservice.TimeZone(in); ok {
			t.Errorf("TimeZone(%q) = %q, want none", in, got)
		}
	}
	if names := freshservice.TimeZones(); len(names) != 151 || !slices.Contains(names, "Kyiv") {
		t.Errorf("%d names", len(names))
	}
	for _, name := range freshservice.TimeZones() {
		if got, ok := freshservice.TimeZone(strings.ToUpper(name)); !ok || got != name {
			t.Errorf("TimeZone(%q) = %q, %v", strings.ToUpper(name), got, ok)
		}
	}
	// An IANA id and the name it becomes have the same rules, as far as both
	// have one: the table's own names stand in the middle.
	for _, id := range []string{"Europe/Vienna", "America/Sao_Paulo", "Asia/Singapore", "Africa/Cairo", "Europe/Warsaw", "America/Bogota"} {
		if _, err := time.LoadLocation(id); err != nil {
			t.Fatal(err)
		}
		if name, ok := freshservice.TimeZone(id); !ok {
			t.Errorf("TimeZone(%q) = %q, none", id, name)
		}
	}
}

func TestLanguage(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"en": "en", "EN": "en", "en-US": "en", "en_GB": "en", "en-Latn-US-x-private": "en",
		"de-AT": "de", "de_CH.UTF-8": "de", "fr-CA": "fr", "ko-KR": "ko",
		"ja": "ja-JP", "ja-jp": "ja-JP", "nb": "nb-NO", "no": "nb-NO", "nn-NO": "nb-NO",
		"ru": "ru-RU", "ru-UA": "ru-RU", "sv": "sv-SE", "sv-FI": "sv-SE", "cy": "cy-GB",
		"zh": "zh-CN", "zh-Hans": "zh-CN", "zh-SG": "zh-CN", "zh-Hans-HK": "zh-CN", "zh-cn": "zh-CN",
		"es": "es", "es-ES": "es", "es-MX": "es-LA", "es-419": "es-LA", "es-la": "es-LA", "es-PH": "es",
		"pt": "pt-PT", "pt-BR": "pt-BR", "pt_br": "pt-BR", "pt-AO": "pt-PT", "tr-TR": "tr", "in": "id",
	} {
		if got, ok := freshservice.Language(in); !ok || got != want {
			t.Errorf("Language(%q) = %q, %v, want %q", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "tlh", "zh-Hant", "zh-TW", "zh-HK", "english", "e", "en--US", "12", "xx-DE", "German"} {
		if got, ok := freshservice.Language(in); ok {
			t.Errorf("Language(%q) = %q, want none", in, got)
		}
	}
	list := freshservice.Languages()
	if len(list) != 30 {
		t.Errorf("%d languages", len(list))
	}
	for _, l := range list {
		if got, ok := freshservice.Language(strings.ToUpper(strings.ReplaceAll(l.Code, "-", "_"))); !ok || got != l.Code || l.Name == "" {
			t.Errorf("%+v becomes %q", l, got)
		}
	}
}

func FuzzTimeZone(f *testing.F) {
	for _, s := range []string{"Europe/Berlin", "(GMT-05:00) Lima", "", "(UTC)", "(GMT+99:99) (GMT+1) Rome", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, ok := freshservice.TimeZone(s)
		if ok != slices.Contains(freshservice.TimeZones(), name) {
			t.Errorf("TimeZone(%q) = %q, %v", s, name, ok)
		}
		// A name stays itself.
		if again, _ := freshservice.TimeZone(name); ok && again != name {
			t.Errorf("%q becomes %q becomes %q", s, name, again)
		}
	})
}

func FuzzLanguage(f *testing.F) {
	for _, s := range []string{"en-US", "zh-Hant-TW", "de_DE.UTF-8@euro", "", "x-y", "es-419", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		code, ok := freshservice.Language(s)
		if ok != slices.ContainsFunc(freshservice.Languages(), func(l freshservice.LanguageChoice) bool { return l.Code == code }) {
			t.Errorf("Language(%q) = %q, %v", s, code, ok)
		}
		if again, _ := freshservice.Language(code); ok && again != code {
			t.Errorf("%q becomes %q becomes %q", s, code, again)
		}
	})
}
