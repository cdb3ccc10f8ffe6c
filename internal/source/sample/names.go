package sample

import "strings"

// The cultures that names come from, indexes into the table below.
const (
	english = iota
	irish
	german
	french
	spanish
	portuguese
	italian
	polish
	czech
	turkish
	nordic
	indian
	chinese
	japanese
	korean
	vietnamese
	arabic
	nigerian
)

// A culture is where a person's names come from.
type culture struct {
	given, family []string
	// familyFirst says that the display name begins with the family name.
	familyFirst bool
}

func words(s string) []string { return strings.Split(s, ",") }

var cultures = [...]culture{
	english: {
		given:  words("Alice,Andrew,Beth,Callum,Charlotte,Daniel,Eleanor,Florence,George,Grace,Harriet,Henry,Imogen,Jack,Joshua,Kate,Laura,Martin,Natalie,Oliver,Philip,Rosie,Samuel,Sophie,Thomas,Victoria,William,Zoë"),
		family: words("Ashworth,Baker,Barlow,Carver,Clarke,Dawson,Ellison,Fletcher,Gardner,Hargreaves,Hollis,Ingram,Jarvis,Kendall,Langley,Marsh,Norwood,Osborne,Parkes,Quinton,Radcliffe,Shaw,Tranter,Underhill,Vickers,Whitlock,Yardley,Smith-Rowe"),
	},
	irish: {
		given:  words("Aoife,Brendan,Caoimhe,Ciarán,Conor,Deirdre,Éamon,Fionn,Gráinne,Liam,Máire,Niamh,Oisín,Órla,Pádraig,Róisín,Seán,Sinéad,Siobhán,Tadhg"),
		family: words("Brennan,Byrne,Daly,Doyle,Farrell,Fitzgerald,Gallagher,Hayes,Kavanagh,Kinsella,MacCarthy,Maguire,McGrath,Nolan,O'Callaghan,O'Dwyer,O'Keeffe,O'Riordan,Redmond,Tierney"),
	},
	german: {
		given:  words("Anja,Bärbel,Björn,Dieter,Elke,Florian,Frauke,Götz,Hannes,Ilse,Jörg,Jürgen,Käthe,Lars,Lena,Lukas,Mareike,Matthias,Nele,Rüdiger,Sabine,Sören,Steffen,Tobias,Ulrike,Uwe,Wiebke"),
		family: words("Albrecht,Bäcker,Böttcher,Brandt,Dörfler,Eichhorn,Fuchs,Großmann,Grünwald,Hübner,Jäger,Köhler,Krämer,Lindner,Möller,Neumann,Ostermann,Pfeiffer,Rößler,Schäfer,Schröder,Strauß,Thiele,Vogt,Weiß,Wörner,Zimmermann"),
	},
	french: {
		given:  words("Adèle,Antoine,Aurélie,Benoît,Camille,Cécile,Clément,Élodie,Émile,Étienne,François,Gaëlle,Hélène,Inès,Jérôme,Léa,Loïc,Maëlys,Noémie,Océane,Quentin,Rémi,Solène,Théo,Zélie"),
		family: words("Aubert,Beaulieu,Bérard,Carpentier,Chevallier,Delaunay,Descôtes,Dubois,Faure,Garnier,Guérin,Hébert,Lefèvre,Lemaître,Marchand,Mercier,Noël,Perrault,Prévost,Renaud,Rivière,Roussel,Saint-Clair,Thibault,Vasseur"),
	},
	spanish: {
		given:  words("Adrián,Álvaro,Ana,Andrés,Beatriz,Begoña,Carlos,Diego,Elena,Esteban,Fernanda,Gonzalo,Inés,Íñigo,Javier,Jesús,Joaquín,Lucía,María,Martín,Mónica,Óscar,Pilar,Raúl,Rocío,Sofía,Tomás,Ximena"),
		family: words("Aguilar Soto,Álvarez,Benítez,Cabañas,Castaño,Delgado,Domínguez,Espinosa,Fernández Ruiz,García López,Guzmán,Herrera,Ibáñez,Jiménez,Lozano,Martín Peña,Muñoz,Núñez,Ortega,Pérez Vidal,Quiñones,Ramírez,Sáenz,Suárez,Tejada,Vázquez,Zúñiga"),
	},
	portuguese: {
		given:  words("Adriana,André,António,Bárbara,Beatriz,Caio,Cauã,Conceição,Débora,Eduardo,Fábio,Fátima,Gonçalo,Inês,Isabela,João,Joaquim,Letícia,Luís,Márcia,Otávio,Rafael,Simão,Tânia,Thiago,Vinícius"),
		family: words("Almeida,Araújo,Azevedo,Barros,Brandão,Cardoso,Conceição,Damião,Falcão,Fontes,Gonçalves,Guimarães,Leitão,Magalhães,Monteiro,Nóbrega,Patrício,Queirós,Ribeiro,Sabóia,Salomão,Simões,Taváres,Valadão,dos Santos,da Silva"),
	},
	italian: {
		given:  words("Alessio,Beatrice,Chiara,Davide,Elisabetta,Fabrizio,Giada,Giosuè,Irene,Lorenzo,Lucrezia,Matteo,Niccolò,Noemi,Ottavia,Pietro,Raffaele,Serena,Tommaso,Zeno"),
		family: words("Barbieri,Bellucci,Caruso,Colombo,D'Amico,D'Angelo,De Luca,Fabbri,Galli,Gentile,Lombardi,Mancini,Marchetti,Nicolò,Orlandi,Pellegrini,Rinaldi,Santoro,Testa,Vitale"),
	},
	polish: {
		given:  words("Agnieszka,Bartłomiej,Bożena,Dariusz,Elżbieta,Grażyna,Grzegorz,Jacek,Jarosław,Kacper,Katarzyna,Łucja,Łukasz,Małgorzata,Michał,Paweł,Rafał,Róża,Sławomir,Stanisław,Urszula,Wacław,Wojciech,Zofia"),
		family: words("Adamczyk,Błaszczyk,Dąbrowski,Duda,Gałązka,Głowacka,Jabłoński,Kaczmarek,Kołodziej,Krawczyk,Łukasik,Majewska,Mróz,Nowicki,Ostrowska,Pawłowski,Rogoż,Sadowska,Śliwa,Stępień,Szymański,Urbańska,Włodarczyk,Wójcik,Żak,Zięba"),
	},
	czech: {
		given:  words("Alžběta,Bohumil,Božena,Dagmar,František,Hynek,Ivana,Jiří,Kateřina,Lukáš,Matěj,Ondřej,Přemysl,Radek,Šárka,Štěpán,Tereza,Vítězslav,Zdeňka,Žaneta"),
		family: words("Beneš,Čapek,Dvořáček,Fišer,Hájek,Holub,Jelínek,Kadlec,Kučera,Lišková,Málek,Němcová,Pokorná,Růžička,Říhová,Šimek,Tichý,Urbanová,Vaněk,Žižka"),
	},
	turkish: {
		given:  words("Ahmet,Ayşe,Barış,Büşra,Çağla,Cem,Defne,Elif,Emre,Fırat,Gülşen,Hüseyin,İpek,Kadir,Mehmet,Nazlı,Oğuz,Özlem,Pınar,Şebnem,Tuğba,Ümit,Yasemin,Zeynep"),
		family: words("Akın,Aydın,Başaran,Çelik,Demirci,Doğan,Erdem,Gündüz,Işık,Kaplan,Karaca,Kılıç,Koç,Özgür,Öztürk,Polat,Şahin,Tekin,Uçar,Yıldırım,Yılmaz,Zorlu"),
	},
	nordic: {
		given:  words("Agnes,Åke,Anders,Annika,Åsa,Birgitta,Bjørn,Elin,Erik,Fredrik,Göran,Håkon,Ingrid,Jens,Jørgen,Kåre,Karin,Linnéa,Mads,Märta,Nils,Øyvind,Sigrid,Søren,Tove,Þóra,Åse"),
		family: words("Andersen,Åkerlund,Bergström,Bjørnstad,Dahl,Ekström,Fjällström,Gustavsson,Hägg,Hjelm,Holmgren,Jönsson,Kjærgaard,Lindqvist,Løvås,Månsson,Nygård,Ödman,Østergaard,Palmqvist,Rønning,Sjöberg,Söderlund,Vestergaard,Wåhlin"),
	},
	indian: {
		given:  words("Aarav,Aditi,Ananya,Arjun,Bhavna,Chetan,Deepika,Divya,Farhan,Gauri,Harish,Ishaan,Jyoti,Karthik,Kavya,Lakshmi,Manish,Meera,Nandini,Nikhil,Pooja,Pranav,Priya,Rahul,Ritu,Rohan,Sanjana,Siddharth,Sneha,Suresh,Tanvi,Uday,Varun,Vidya"),
		family: words("Acharya,Agarwal,Bhat,Banerjee,Chatterjee,Chowdhury,Deshmukh,Desai,Fernandes,Ghosh,Gowda,Gupta,Hegde,Iyer,Joshi,Kapoor,Khan,Kulkarni,Kumar,Malhotra,Menon,Mishra,Mukherjee,Nair,Naidu,Patel,Pillai,Raghavan,Rao,Reddy,Sharma,Singh,Thakur,Varma,Venkataraman"),
	},
	chinese: {
		given:  words("Bo,Chenxi,Fang,Guoqiang,Haoran,Hui,Jiahao,Jing,Kaiwen,Lanying,Lei,Meiling,Ming,Ningning,Peng,Qiuyue,Rong,Shuang,Tao,Weiguo,Xiaoyan,Xinyi,Yan,Yifan,Zhen,Zihan"),
		family: words("Cai,Chen,Deng,Fan,Feng,Gao,Guo,He,Huang,Jiang,Li,Liang,Lin,Liu,Lu,Lü,Ma,Pan,Qian,Shen,Song,Sun,Tang,Wang,Wei,Wu,Xie,Xu,Yang,Ye,Yu,Zeng,Zhang,Zhao,Zheng,Zhou,Zhu"),
	},
	japanese: {
		given:  words("Akira,Aoi,Ayumi,Daichi,Emi,Haruka,Haruto,Hinata,Hiroshi,Kaito,Kenji,Kōhei,Makoto,Megumi,Misaki,Naoki,Ren,Rin,Ryō,Sakura,Shōta,Sora,Takumi,Yōko,Yui,Yūki,Yuto"),
		family: words("Abe,Aoki,Endō,Fujii,Gotō,Hasegawa,Hayashi,Inoue,Itō,Kimura,Kobayashi,Kondō,Maeda,Matsumoto,Mori,Nakamura,Nishimura,Ōta,Saitō,Sasaki,Satō,Shimizu,Suzuki,Takahashi,Tanaka,Ueda,Wada,Yamada,Yoshida"),
	},
	korean: {
		given:  words("Da-eun,Do-yun,Eun-ji,Ha-neul,Hye-jin,Hyun-woo,Ji-ho,Ji-min,Ji-woo,Jun-seo,Kyung-soo,Min-jun,Min-seo,Na-yeon,Sang-hoon,Seo-yeon,So-min,Su-bin,Tae-yang,Ye-jin"),
		family: words("Ahn,Bae,Baek,Cha,Cho,Choi,Han,Hong,Hwang,Im,Jang,Jeong,Jung,Kang,Kim,Ko,Kwon,Lee,Lim,Moon,Nam,Oh,Park,Seo,Shin,Song,Yang,Yoo,Yoon"),
	},
	vietnamese: {
		given:       words("An,Ánh,Bảo,Bích,Châu,Đạt,Đức,Dũng,Giang,Hà,Hạnh,Hiếu,Hoàng,Hồng,Hương,Khánh,Lan,Linh,Long,Mai,Minh,Nga,Ngọc,Phương,Quân,Quỳnh,Sơn,Thảo,Thủy,Trang,Tuấn,Việt,Yến"),
		family:      words("Bùi,Cao,Châu,Đặng,Đinh,Đỗ,Dương,Hồ,Hoàng,Huỳnh,Lâm,Lê,Lý,Mai,Ngô,Nguyễn,Phạm,Phan,Tạ,Tô,Trần,Trịnh,Trương,Võ,Vũ"),
		familyFirst: true,
	},
	arabic: {
		given:  words("Ahmad,Amina,Aya,Bilal,Dalia,Faisal,Fatima,Ghada,Hamza,Hassan,Huda,Ibrahim,Jamila,Karim,Khadija,Layla,Mahmoud,Mariam,Nadia,Omar,Rania,Salma,Samir,Tariq,Yasmin,Youssef,Zainab"),
		family: words("Abbas,Al-Amin,Al-Hashimi,Bakr,Benali,Boutros,Darwish,El-Sayed,Fakhoury,Farouk,Ghanem,Haddad,Hamdan,Idrissi,Jabbour,Kassem,Khalil,Mansour,Nasser,Qasim,Rahal,Saleh,Shaheen,Tahan,Younes,Zidan"),
	},
	nigerian: {
		given:  words("Abimbola,Adaeze,Amara,Ayodele,Bukola,Chidi,Chinwe,Damilola,Ebuka,Emeka,Folake,Funmilayo,Ifeoma,Ikenna,Kelechi,Kemi,Ngozi,Nnamdi,Obinna,Olumide,Ọlá,Segun,Simisola,Temitope,Tunde,Uche,Yetunde,Zainab"),
		family: words("Abiola,Achebe,Adebayo,Adeyemi,Afolabi,Akande,Akinwande,Bello,Chukwu,Danjuma,Ekwueme,Eze,Ibekwe,Igwe,Lawal,Mbah,Musa,Nwosu,Obi,Odukoya,Okafor,Okonkwo,Oladipo,Onyeka,Oyelaran,Sanni,Usman,Uzoma"),
	},
}
