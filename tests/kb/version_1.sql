
-- Dictionaries: every string once, facts are rows of integers. Id 0 stands for "none" in columns that need a value.
CREATE TABLE entities  (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, normalised TEXT NOT NULL);
CREATE INDEX entities_normalised ON entities (normalised);
CREATE INDEX entities_close ON entities (replace(normalised, ' ', ''));
CREATE TABLE relations (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, normalised TEXT NOT NULL);
CREATE TABLE texts     (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE sources   (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE authors   (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

-- Every change belongs to a transaction. kind: add, set, forget, alias.
CREATE TABLE transactions (id INTEGER PRIMARY KEY, time REAL NOT NULL, kind TEXT NOT NULL, author TEXT, reason TEXT);

-- What holds now. made: the transaction that put it in. support: by how many pieces of evidence it is asserted.
-- bare: 1 where one of them names neither source nor author, so that asserting it again adds no support.
CREATE TABLE facts (
    entity INTEGER NOT NULL, relation INTEGER NOT NULL, value INTEGER NOT NULL,
    rank INTEGER NOT NULL, support INTEGER NOT NULL, bare INTEGER NOT NULL, made INTEGER NOT NULL,
    PRIMARY KEY (entity, relation, value)) WITHOUT ROWID;

-- What held from transaction `made` until transaction `ended`.
CREATE TABLE past (
    entity INTEGER NOT NULL, relation INTEGER NOT NULL, value INTEGER NOT NULL, made INTEGER NOT NULL,
    ended INTEGER NOT NULL, rank INTEGER NOT NULL, support INTEGER NOT NULL, bare INTEGER NOT NULL,
    PRIMARY KEY (entity, relation, value, made)) WITHOUT ROWID;

-- Who says so and where; start and end are -1 where there is no span.
CREATE TABLE evidence (
    entity INTEGER NOT NULL, relation INTEGER NOT NULL, value INTEGER NOT NULL, made INTEGER NOT NULL,
    source INTEGER NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL, author INTEGER NOT NULL, confidence REAL,
    PRIMARY KEY (entity, relation, value, made, source, start, "end", author)) WITHOUT ROWID;

CREATE TABLE aliases (
    normalised TEXT NOT NULL, entity INTEGER NOT NULL, alias TEXT NOT NULL, made INTEGER NOT NULL,
    PRIMARY KEY (normalised, entity)) WITHOUT ROWID;
CREATE INDEX aliases_entity ON aliases (entity);

-- The index for misspelt names: words, words by what is left when a character is left out, entities by word.
CREATE TABLE words (id INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE, entities INTEGER NOT NULL);
CREATE TABLE word_spellings (key INTEGER NOT NULL, word INTEGER NOT NULL, PRIMARY KEY (key, word)) WITHOUT ROWID;
CREATE TABLE postings (word INTEGER NOT NULL, entity INTEGER NOT NULL, PRIMARY KEY (word, entity)) WITHOUT ROWID;

-- What was forgotten, as digests keyed with this base's salt.
CREATE TABLE tombstones (digest BLOB PRIMARY KEY, made INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE tombstone_spellings (
    spelling BLOB NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (spelling, digest)) WITHOUT ROWID;

CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

PRAGMA application_id = 1280142434;
PRAGMA user_version = 1;
INSERT INTO meta VALUES ('salt', x'00000000000000000000000000000000');
INSERT INTO transactions VALUES (1, 1000000000.0, 'add', 'import', 'first'), (2, 1000000001.0, 'alias', NULL, NULL),
    (3, 1000000002.0, 'forget', NULL, NULL), (4, 1500000000.0, 'set', 'me', 'typo');
INSERT INTO entities VALUES (1, 'Ada Lovelace', 'ada lovelace'), (2, 'Charles Babbage', 'charles babbage');
INSERT INTO relations VALUES (1, 'Birth Date', 'birth date'), (2, 'Job', 'job');
INSERT INTO texts VALUES (1, '1816'), (2, 'poet'), (3, '10 December 1815');
INSERT INTO sources VALUES (1, 'doc');
INSERT INTO authors VALUES (1, 'me');
INSERT INTO facts VALUES (1, 1, 3, 0, 1, 0, 4), (1, 2, 2, 0, 1, 0, 1), (2, 2, 2, 0, 1, 1, 1);
INSERT INTO past VALUES (1, 1, 1, 1, 4, 0, 1, 0);
INSERT INTO evidence VALUES (1, 1, 3, 4, 0, -1, -1, 1, NULL), (1, 2, 2, 1, 1, 3, 7, 0, 0.5),
    (1, 1, 1, 1, 1, -1, -1, 0, NULL);
INSERT INTO aliases VALUES ('countess', 1, 'The Countess', 2);
INSERT INTO tombstones VALUES (x'b96313bede36e161961788bba144b112', 3);
INSERT INTO words VALUES (1, 'ada', 1);
INSERT INTO word_spellings VALUES (2372962152, 1);
INSERT INTO postings VALUES (1, 1);
INSERT INTO words VALUES (2, 'lovelace', 1);
INSERT INTO word_spellings VALUES (363271440, 2), (373205777, 2), (668381580, 2), (854063170, 2), (1380035403, 2), (1490814063, 2), (1618463177, 2), (1756322458, 2), (3139571326, 2);
INSERT INTO postings VALUES (2, 1);
INSERT INTO words VALUES (3, 'charles', 1);
INSERT INTO word_spellings VALUES (918208507, 3), (1112262830, 3), (2234645917, 3), (2475258855, 3), (2689242974, 3), (3063905791, 3), (3348956652, 3), (3398264733, 3);
INSERT INTO postings VALUES (3, 2);
INSERT INTO words VALUES (4, 'babbage', 1);
INSERT INTO word_spellings VALUES (635494356, 4), (1590079321, 4), (1849789512, 4), (2645825918, 4), (2683479847, 4), (3421421304, 4), (3629309431, 4);
INSERT INTO postings VALUES (4, 2);
INSERT INTO words VALUES (5, 'countess', 1);
INSERT INTO word_spellings VALUES (1031858411, 5), (1544168912, 5), (2298310533, 5), (2681063702, 5), (2864517433, 5), (3055920366, 5), (3076118654, 5), (4196434591, 5);
INSERT INTO postings VALUES (5, 1);
