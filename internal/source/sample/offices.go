package sample

// An office is a place of work. A # of its telephone number stands for any
// digit. The three spellings of its time zone are
// IANA's, Windows's and Freshservice's; which one the office's people carry
// depends on the system that its personnel department keeps.
type office struct {
	name, street, postalCode, city, state string
	country, code, phone                  string
	zone                                  string
	languages                             []string // the first is the usual one
	cultures                              []int    // indexes into cultures; the first is the usual one
	weight                                int
}

var offices = []office{
	{"London HQ", "18 Tallow Yard", "EC1V 9LT", "London", "", "United Kingdom", "GB", "+44 20 7946 0###", "Europe/London",
		[]string{"en-GB"}, []int{english, irish, indian, nigerian, polish}, 18},
	{"Berlin", "Am Speicher 7", "10245", "Berlin", "Berlin", "Germany", "DE", "+49 30 23125 ###", "W. Europe Standard Time",
		[]string{"de-DE", "en-US"}, []int{german, turkish, polish, vietnamese}, 14},
	{"New York", "240 Carver Street, Floor 9", "10013", "New York", "NY", "United States", "US", "+1 212 555 01##", "Eastern Time (US & Canada)",
		[]string{"en-US"}, []int{english, irish, italian, spanish, chinese, korean}, 13},
	{"Bengaluru", "Plot 44, 3rd Cross, Halasuru", "560008", "Bengaluru", "Karnataka", "India", "IN", "+91 80 4719 ####", "Asia/Kolkata",
		[]string{"en-IN", "en-US"}, []int{indian}, 16},
	{"São Paulo", "Rua das Figueiras, 310", "04538-132", "São Paulo", "SP", "Brazil", "BR", "+55 11 3090-####", "America/Sao_Paulo",
		[]string{"pt-BR"}, []int{portuguese, italian, japanese}, 8},
	{"Paris", "5 rue du Moulin-Neuf", "75011", "Paris", "Île-de-France", "France", "FR", "+33 1 70 18 ## ##", "Romance Standard Time",
		[]string{"fr-FR"}, []int{french, arabic, portuguese}, 7},
	{"Warsaw", "ul. Składowa 12", "00-854", "Warszawa", "", "Poland", "PL", "+48 22 307 ## ##", "Warsaw",
		[]string{"pl-PL", "en-US"}, []int{polish, czech}, 7},
	{"Austin", "1100 Pecan Bend, Suite 20", "78704", "Austin", "TX", "United States", "US", "+1 512 555 01##", "Central Time (US & Canada)",
		[]string{"en-US"}, []int{english, spanish, indian}, 6},
	{"Tokyo", "2-14-6 Kiba", "135-0042", "Tokyo", "", "Japan", "JP", "+81 3 4578 ####", "Tokyo Standard Time",
		[]string{"ja-JP"}, []int{japanese, korean}, 5},
	{"Madrid", "Calle del Olmo Viejo 23", "28045", "Madrid", "", "Spain", "ES", "+34 91 198 ## ##", "Europe/Madrid",
		[]string{"es-ES"}, []int{spanish, portuguese}, 5},
	{"Stockholm", "Ångbåtsgatan 3", "118 61", "Stockholm", "", "Sweden", "SE", "+46 8 446 ## ##", "Stockholm",
		[]string{"sv-SE", "en-GB"}, []int{nordic, arabic}, 4},
	{"Sydney", "77 Wharf Lane", "2009", "Sydney", "NSW", "Australia", "AU", "+61 2 5550 ####", "AUS Eastern Standard Time",
		[]string{"en-AU"}, []int{english, chinese, vietnamese}, 4},
	{"Ciudad de México", "Av. de los Fresnos 1204", "03100", "Ciudad de México", "CDMX", "Mexico", "MX", "+52 55 4169 ####", "America/Mexico_City",
		[]string{"es-MX"}, []int{spanish}, 4},
	{"İstanbul", "Fener Caddesi No. 41", "34394", "İstanbul", "", "Türkiye", "TR", "+90 212 381 ## ##", "Turkey Standard Time",
		[]string{"tr-TR"}, []int{turkish}, 3},
	{"Hà Nội", "68 phố Hàng Dệt", "100000", "Hà Nội", "", "Vietnam", "VN", "+84 24 3936 ####", "Hanoi",
		[]string{"vi-VN", "en-US"}, []int{vietnamese}, 3},
	{"Lagos", "9 Palm Close, Yaba", "101245", "Lagos", "", "Nigeria", "NG", "+234 1 448 ####", "West Central Africa",
		[]string{"en-GB"}, []int{nigerian}, 3},
	{"Singapore", "31 Lighter Quay #06-02", "138567", "Singapore", "", "Singapore", "SG", "+65 6715 ####", "Asia/Singapore",
		[]string{"en-SG", "zh-CN"}, []int{chinese, indian}, 3},
	{"Praha", "Lodní 15", "170 00", "Praha", "", "Czechia", "CZ", "+420 228 88# ###", "Central Europe Standard Time",
		[]string{"cs-CZ"}, []int{czech}, 2},
	{"Toronto", "400 Foundry Row", "M5A 3C4", "Toronto", "ON", "Canada", "CA", "+1 416 555 01##", "America/Toronto",
		[]string{"en-CA", "fr-CA"}, []int{english, french, chinese, indian}, 2},
}

// deskLacksOffice is the one location that the service desk does not have.
const deskLacksOffice = "Toronto"
