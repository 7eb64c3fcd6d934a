//! Names, places and titles that the sample people are made of.

/// A name as written, and as an address writes it.
pub(super) type Name = (&'static str, &'static str);

/// A country with an office and the names that are common there.
pub(super) struct Country {
    /// ISO 3166 code.
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) city: &'static str,
    /// Name of the office; the first spelling is the usual one.
    pub(super) office: &'static str,
    /// Other ways in which somebody typed the office.
    pub(super) office_variants: &'static [&'static str],
    pub(super) language: &'static str,
    /// Start of a telephone number.
    pub(super) phone: &'static str,
    /// How many employees work there.
    pub(super) employees: usize,
    /// Whether the family name comes first.
    pub(super) surname_first: bool,
    pub(super) given: &'static [Name],
    pub(super) surnames: &'static [Name],
}

/// Departments; an employee's number decides, so that each has a tree of managers.
pub(super) const DEPARTMENTS: &[&str] =
    &["Sales", "Engineering", "Finance", "People", "IT", "Operations", "Marketing", "Legal"];

/// Titles of those who lead nobody.
pub(super) const TITLES: &[&str] =
    &["Specialist", "Senior Specialist", "Analyst", "Coordinator", "Consultant", "Assistant"];

/// Where the employees are: 214 in all.
pub(super) const COUNTRIES: &[Country] = &[
    Country {
        code: "GB",
        name: "United Kingdom",
        city: "Leeds",
        office: "Leeds",
        office_variants: &["Leeds ", "leeds", " LEEDS"],
        language: "en-GB",
        phone: "+44 113 496 0",
        employees: 58,
        surname_first: false,
        given: &[
            ("Alice", "alice"),
            ("Siobhán", "siobhan"),
            ("Oliver", "oliver"),
            ("Zoë", "zoe"),
            ("George", "george"),
            ("Priya", "priya"),
            ("Mohammed", "mohammed"),
            ("Ffion", "ffion"),
        ],
        surnames: &[
            ("O'Brien", "o'brien"),
            ("Smith", "smith"),
            ("Jones-Patel", "jones-patel"),
            ("Taylor", "taylor"),
            ("MacLeod", "macleod"),
            ("Khan", "khan"),
            ("Evans", "evans"),
            ("D'Arcy", "d'arcy"),
        ],
    },
    Country {
        code: "US",
        name: "United States",
        city: "New York",
        office: "New York",
        office_variants: &["New  York", "new york"],
        language: "en-US",
        phone: "+1 212 555 0",
        employees: 40,
        surname_first: false,
        given: &[
            ("Emma", "emma"),
            ("Liam", "liam"),
            ("José", "jose"),
            ("Aaliyah", "aaliyah"),
            ("Noah", "noah"),
            ("Grace", "grace"),
        ],
        surnames: &[
            ("Johnson", "johnson"),
            ("García", "garcia"),
            ("Williams", "williams"),
            ("Nguyen", "nguyen"),
            ("Brown", "brown"),
            ("van der Berg", "vanderberg"),
        ],
    },
    Country {
        code: "DE",
        name: "Germany",
        city: "München",
        office: "München",
        office_variants: &["MÜNCHEN", "München "],
        language: "de-DE",
        phone: "+49 89 5550 0",
        employees: 30,
        surname_first: false,
        given: &[
            ("Jürgen", "juergen"),
            ("Anke", "anke"),
            ("Björn", "bjoern"),
            ("Käthe", "kaethe"),
            ("Lukas", "lukas"),
        ],
        surnames: &[
            ("Müller", "mueller"),
            ("Größmann", "groessmann"),
            ("Weiß", "weiss"),
            ("Schäfer", "schaefer"),
            ("von Öttingen", "vonoettingen"),
        ],
    },
    Country {
        code: "PL",
        name: "Poland",
        city: "Łódź",
        office: "Łódź",
        office_variants: &["łódź"],
        language: "pl-PL",
        phone: "+48 42 555 0",
        employees: 18,
        surname_first: false,
        given: &[
            ("Łukasz", "lukasz"),
            ("Małgorzata", "malgorzata"),
            ("Paweł", "pawel"),
            ("Żaneta", "zaneta"),
        ],
        surnames: &[
            ("Wiśniewski", "wisniewski"),
            ("Dąbrowska", "dabrowska"),
            ("Wójcik", "wojcik"),
            ("Błaszczyk", "blaszczyk"),
        ],
    },
    Country {
        code: "GR",
        name: "Greece",
        city: "Αθήνα",
        office: "Αθήνα",
        office_variants: &["ΑΘΉΝΑ"],
        language: "el-GR",
        phone: "+30 210 555 0",
        employees: 16,
        surname_first: false,
        given: &[
            ("Γιώργος", "giorgos"),
            ("Ελένη", "eleni"),
            ("Νίκος", "nikos"),
            ("Μαρία", "maria"),
        ],
        surnames: &[
            ("Παπαδόπουλος", "papadopoulos"),
            ("Οικονόμου", "oikonomou"),
            ("Γεωργίου", "georgiou"),
        ],
    },
    Country {
        code: "UA",
        name: "Ukraine",
        city: "Київ",
        office: "Київ",
        office_variants: &["київ"],
        language: "uk-UA",
        phone: "+380 44 555 0",
        employees: 16,
        surname_first: false,
        given: &[("Олена", "olena"), ("Тарас", "taras"), ("Юлія", "yuliia"), ("Андрій", "andrii")],
        surnames: &[("Шевченко", "shevchenko"), ("Ковальчук", "kovalchuk"), ("Мельник", "melnyk")],
    },
    Country {
        code: "JP",
        name: "Japan",
        city: "東京",
        office: "東京",
        office_variants: &["東京 "],
        language: "ja-JP",
        phone: "+81 3 5550 0",
        employees: 16,
        surname_first: true,
        given: &[("花子", "hanako"), ("太郎", "taro"), ("さくら", "sakura"), ("健一", "kenichi")],
        surnames: &[("佐藤", "sato"), ("鈴木", "suzuki"), ("高橋", "takahashi")],
    },
    Country {
        code: "EG",
        name: "Egypt",
        city: "القاهرة",
        office: "القاهرة",
        office_variants: &[" القاهرة"],
        language: "ar-EG",
        phone: "+20 2 5555 0",
        employees: 12,
        surname_first: false,
        given: &[("محمد", "mohamed"), ("فاطمة", "fatma"), ("أحمد", "ahmed"), ("ليلى", "layla")],
        surnames: &[("حسن", "hassan"), ("إبراهيم", "ibrahim"), ("السيد", "elsayed")],
    },
    Country {
        code: "IL",
        name: "Israel",
        city: "תל אביב",
        office: "תל אביב",
        office_variants: &["תל  אביב"],
        language: "he-IL",
        phone: "+972 3 555 0",
        employees: 8,
        surname_first: false,
        given: &[("נועה", "noa"), ("יוסי", "yossi"), ("מיכל", "michal")],
        surnames: &[("כהן", "cohen"), ("לוי", "levi"), ("מזרחי", "mizrahi")],
    },
];
