BEGIN TRANSACTION;
CREATE TABLE approved (
	number INTEGER NOT NULL, 
	side TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	line TEXT NOT NULL, 
	PRIMARY KEY (number)
);
CREATE TABLE claims (
	name TEXT NOT NULL, 
	token TEXT NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE conflicts (
	"conflict" INTEGER NOT NULL, 
	run INTEGER NOT NULL, 
	pair INTEGER NOT NULL, 
	field TEXT NOT NULL, 
	resolution TEXT NOT NULL, 
	salesforce TEXT, 
	phoneiq TEXT, 
	PRIMARY KEY ("conflict")
);
CREATE TABLE counters (
	name TEXT NOT NULL, 
	next INTEGER NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "counters" VALUES('layout',4);
INSERT INTO "counters" VALUES('row',4);
CREATE TABLE field_skips (
	source_row INTEGER NOT NULL, 
	field TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	detail TEXT, 
	PRIMARY KEY (source_row, field)
);
CREATE TABLE forgotten (
	hash TEXT NOT NULL, 
	PRIMARY KEY (hash)
);
CREATE TABLE layouts (
	layout INTEGER NOT NULL, 
	digest TEXT NOT NULL, 
	fields TEXT NOT NULL, 
	PRIMARY KEY (layout), 
	UNIQUE (digest)
);
INSERT INTO "layouts" VALUES(1,'f742c1b9095c96b7944bfc8906779837efced6884d57d6f7fe2fb9aef338d154','["AccountId","Description","Email","Fax","FirstName","HomePhone","IsDeleted","IsPersonAccount","LastName","MailingCity","MailingCountry","MailingPostalCode","MailingState","MailingStreet","MasterRecordId","MobilePhone","Newsletter__c","OtherPhone","Phone","PhoneIQ_Contact_ID__c","Rating__c","Title"]');
INSERT INTO "layouts" VALUES(2,'4f018db16f49284e8940e6be113a2fa92638c0d020754171eb20ce720ac4e06e','["city","company","country","custom_score","custom_segment","custom_vip","deleted_at","email","fax","first_name","home_phone","job_title","last_name","mobile_phone","notes","other_phone","postal_code","salesforce_id","salesforce_object","state","street","website","work_phone"]');
INSERT INTO "layouts" VALUES(3,'92ce3afdd21a9b64311b46f8bf9d450530bcdcc731530a29831628abfff479c6','["FirstName>first_name","LastName>last_name","Account.Name>company","Title>job_title","Email>email","MobilePhone>mobile_phone","Phone>work_phone","HomePhone>home_phone","OtherPhone>other_phone","Fax>fax","MailingStreet>street","MailingCity>city","MailingState>state","MailingPostalCode>postal_code","MailingCountry>country"]');
CREATE TABLE lease (
	token TEXT NOT NULL, 
	work TEXT NOT NULL, 
	holder TEXT NOT NULL, 
	host TEXT NOT NULL, 
	pid INTEGER NOT NULL, 
	expires_at FLOAT NOT NULL, 
	run INTEGER, 
	progress TEXT, 
	PRIMARY KEY (token)
);
CREATE TABLE made_from (
	write INTEGER NOT NULL, 
	layout INTEGER NOT NULL, 
	body BLOB NOT NULL, 
	numbers BLOB NOT NULL, 
	PRIMARY KEY (write)
);
CREATE TABLE meta (
	"key" TEXT NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('ledger_id','4055f4f2d3b240ed821cf3873b3c22ea');
INSERT INTO "meta" VALUES('schema_version','3');
INSERT INTO "meta" VALUES('tables','approved claims conflicts counters field_skips forgotten layouts lease made_from meta observations originals pairs phone_numbers records runs streams waiting writes');
INSERT INTO "meta" VALUES('fingerprint','"7e6f8ce514e17f17"');
INSERT INTO "meta" VALUES('settings','{"default_object":"Contact","default_region":"US","field_mappings":{"Account":[{"direction":"salesforce_to_phoneiq","phoneiq":"company","salesforce":"Name","values":{}},{"direction":"both","phoneiq":"work_phone","salesforce":"Phone","values":{}},{"direction":"both","phoneiq":"fax","salesforce":"Fax","values":{}},{"direction":"both","phoneiq":"street","salesforce":"BillingStreet","values":{}},{"direction":"both","phoneiq":"city","salesforce":"BillingCity","values":{}},{"direction":"both","phoneiq":"state","salesforce":"BillingState","values":{}},{"direction":"both","phoneiq":"postal_code","salesforce":"BillingPostalCode","values":{}},{"direction":"both","phoneiq":"country","salesforce":"BillingCountry","values":{}},{"direction":"both","phoneiq":"website","salesforce":"Website","values":{}}],"Contact":[{"direction":"both","phoneiq":"first_name","salesforce":"FirstName","values":{}},{"direction":"both","phoneiq":"last_name","salesforce":"LastName","values":{}},{"direction":"salesforce_to_phoneiq","phoneiq":"company","salesforce":"Account.Name","values":{}},{"direction":"both","phoneiq":"job_title","salesforce":"Title","values":{}},{"direction":"both","phoneiq":"email","salesforce":"Email","values":{}},{"direction":"both","phoneiq":"mobile_phone","salesforce":"MobilePhone","values":{}},{"direction":"both","phoneiq":"work_phone","salesforce":"Phone","values":{}},{"direction":"both","phoneiq":"home_phone","salesforce":"HomePhone","values":{}},{"direction":"both","phoneiq":"other_phone","salesforce":"OtherPhone","values":{}},{"direction":"both","phoneiq":"fax","salesforce":"Fax","values":{}},{"direction":"both","phoneiq":"street","salesforce":"MailingStreet","values":{}},{"direction":"both","phoneiq":"city","salesforce":"MailingCity","values":{}},{"direction":"both","phoneiq":"state","salesforce":"MailingState","values":{}},{"direction":"both","phoneiq":"postal_code","salesforce":"MailingPostalCode","values":{}},{"direction":"both","phoneiq":"country","salesforce":"MailingCountry","values":{}}],"Lead":[{"direction":"both","phoneiq":"first_name","salesforce":"FirstName","values":{}},{"direction":"both","phoneiq":"last_name","salesforce":"LastName","values":{}},{"direction":"salesforce_to_phoneiq","phoneiq":"company","salesforce":"Company","values":{}},{"direction":"both","phoneiq":"job_title","salesforce":"Title","values":{}},{"direction":"both","phoneiq":"email","salesforce":"Email","values":{}},{"direction":"both","phoneiq":"mobile_phone","salesforce":"MobilePhone","values":{}},{"direction":"both","phoneiq":"work_phone","salesforce":"Phone","values":{}},{"direction":"both","phoneiq":"fax","salesforce":"Fax","values":{}},{"direction":"both","phoneiq":"street","salesforce":"Street","values":{}},{"direction":"both","phoneiq":"city","salesforce":"City","values":{}},{"direction":"both","phoneiq":"state","salesforce":"State","values":{}},{"direction":"both","phoneiq":"postal_code","salesforce":"PostalCode","values":{}},{"direction":"both","phoneiq":"country","salesforce":"Country","values":{}},{"direction":"both","phoneiq":"website","salesforce":"Website","values":{}}],"PersonAccount":[{"direction":"both","phoneiq":"first_name","salesforce":"FirstName","values":{}},{"direction":"both","phoneiq":"last_name","salesforce":"LastName","values":{}},{"direction":"both","phoneiq":"job_title","salesforce":"PersonTitle","values":{}},{"direction":"both","phoneiq":"email","salesforce":"PersonEmail","values":{}},{"direction":"both","phoneiq":"mobile_phone","salesforce":"PersonMobilePhone","values":{}},{"direction":"both","phoneiq":"work_phone","salesforce":"Phone","values":{}},{"direction":"both","phoneiq":"home_phone","salesforce":"PersonHomePhone","values":{}},{"direction":"both","phoneiq":"other_phone","salesforce":"PersonOtherPhone","values":{}},{"direction":"both","phoneiq":"fax","salesforce":"Fax","values":{}},{"direction":"both","phoneiq":"street","salesforce":"PersonMailingStreet","values":{}},{"direction":"both","phoneiq":"city","salesforce":"PersonMailingCity","values":{}},{"direction":"both","phoneiq":"state","salesforce":"PersonMailingState","values":{}},{"direction":"both","phoneiq":"postal_code","salesforce":"PersonMailingPostalCode","values":{}},{"direction":"both","phoneiq":"country","salesforce":"PersonMailingCountry","values":{}},{"direction":"both","phoneiq":"website","salesforce":"Website","values":{}}]},"last_name_fallback":"[not provided]","lead_company_fallback":"[not provided]","max_delete_percent":10.0,"objects":["Contact","Lead"],"on_conflict":"keep_salesforce","on_delete":"keep","salesforce_external_id_field":null,"salesforce_phone_format":"e164","shared_phone":"reject","sync_direction":"both"}');
INSERT INTO "meta" VALUES('indexed','phone_numbers_number records_duplicate_of records_duplicates records_email records_given_up records_gone records_leaving records_made records_moving records_open_alone records_open_pairs records_paired records_reference records_related records_released records_skip records_successor');
INSERT INTO "meta" VALUES('active_since','"2026-12-01T02:16:27.184Z"');
CREATE TABLE observations (
	"row" INTEGER NOT NULL, 
	layout INTEGER NOT NULL, 
	body BLOB NOT NULL, 
	numbers BLOB NOT NULL, 
	run INTEGER NOT NULL, 
	PRIMARY KEY ("row")
);
INSERT INTO "observations" VALUES(1,1,X'DC0016C0C0C0C0A3416461C0C2C2A84C6F76656C616365C0C0C0C0C0C0AC2B3134313535353530313332C2C0C0C0C0A8436F756E74657373',X'810FAC2B3134313535353530313332',8);
INSERT INTO "observations" VALUES(2,2,X'DC0017C0C0C0C0C0C0C0C0C0A3416461C0A8436F756E74657373A84C6F76656C616365AC2B3134313535353530313332C0C0C0B2303033676E30303030303030303031414141A7436F6E74616374C0C0C0C0',X'810DAC2B3134313535353530313332',9);
INSERT INTO "observations" VALUES(3,1,X'DC0016C0C0C0C0A35A6564C0C2C2A3446F65C0C0C0C0C0C0C0C2C0C0C0C0C0',X'80',8);
CREATE TABLE originals (
	"row" INTEGER NOT NULL, 
	fields TEXT NOT NULL, 
	PRIMARY KEY ("row")
);
CREATE TABLE pairs (
	pair INTEGER NOT NULL, 
	salesforce_row INTEGER NOT NULL, 
	phoneiq_row INTEGER NOT NULL, 
	layout INTEGER, 
	baseline BLOB, 
	why TEXT NOT NULL, 
	run INTEGER NOT NULL, 
	PRIMARY KEY (pair), 
	UNIQUE (salesforce_row), 
	UNIQUE (phoneiq_row)
);
INSERT INTO "pairs" VALUES(1,1,2,3,X'9FA3416461A84C6F76656C616365C0A8436F756E74657373C0AC2B3134313535353530313332C0C0C0C0C0C0C0C0C0','reference',3);
CREATE TABLE phone_numbers (
	"row" INTEGER NOT NULL, 
	number TEXT NOT NULL, 
	stale BOOLEAN NOT NULL, 
	PRIMARY KEY ("row", number)
)
 WITHOUT ROWID

;
INSERT INTO "phone_numbers" VALUES(1,'+14155550132',0);
INSERT INTO "phone_numbers" VALUES(2,'+14155550132',0);
CREATE TABLE records (
	"row" INTEGER NOT NULL, 
	side SMALLINT NOT NULL, 
	id TEXT NOT NULL, 
	object SMALLINT NOT NULL, 
	name TEXT NOT NULL, 
	email BIGINT, 
	reference TEXT, 
	successor TEXT, 
	related TEXT, 
	created_at TEXT NOT NULL, 
	stamp BIGINT, 
	digest BIGINT, 
	deleted BOOLEAN NOT NULL, 
	skip TEXT, 
	duplicate_of INTEGER, 
	released BOOLEAN DEFAULT 0 NOT NULL, 
	awaits TEXT, 
	pair INTEGER, 
	creating BOOLEAN DEFAULT 0 NOT NULL, 
	made BOOLEAN DEFAULT 0 NOT NULL, 
	settled BOOLEAN DEFAULT 0 NOT NULL, 
	PRIMARY KEY ("row"), 
	UNIQUE (side, id)
);
INSERT INTO "records" VALUES(1,1,'003gn0000000001AAA',1,'ada lovelace',NULL,NULL,NULL,NULL,'2025-01-01T00:00:00.000000Z',-980138445028595784,4091880419399380071,0,NULL,NULL,0,NULL,1,0,0,1);
INSERT INTO "records" VALUES(2,0,'pc_000000000001',1,'ada lovelace',NULL,'003gn0000000001AAA',NULL,NULL,'2025-01-01T00:00:01.300000Z',3899256951860979144,-2476382266212536157,0,NULL,NULL,0,NULL,1,0,1,1);
INSERT INTO "records" VALUES(3,1,'003gn0000000002AAA',1,'zed doe',NULL,NULL,NULL,NULL,'2025-01-01T00:00:02.000000Z',158215061739965405,-4334273772615775472,0,'no_valid_phone',NULL,0,NULL,NULL,0,0,1);
CREATE TABLE runs (
	run INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	pipe TEXT NOT NULL, 
	part TEXT, 
	started_at TEXT NOT NULL, 
	finished_at TEXT, 
	outcome TEXT NOT NULL, 
	error TEXT, 
	summary TEXT
);
INSERT INTO "runs" VALUES(1,'observe-phoneiq',NULL,'2026-12-01T02:16:26.723Z','2026-12-01T02:16:26.756Z','succeeded',NULL,'{"changed":0,"confirmed":0,"conflicts":{},"created":0,"deleted":0,"paired":0,"pipe":"observe-phoneiq","read":0,"seconds":0.1,"skipped":{},"unconfirmed":0,"updated":0}');
INSERT INTO "runs" VALUES(2,'salesforce-to-phoneiq',NULL,'2026-12-01T02:16:26.815Z','2026-12-01T02:16:27.001Z','succeeded',NULL,'{"changed":1,"confirmed":0,"conflicts":{},"created":1,"deleted":0,"paired":0,"pipe":"salesforce-to-phoneiq","read":1,"seconds":0.2,"skipped":{},"unconfirmed":0,"updated":0}');
INSERT INTO "runs" VALUES(3,'phoneiq-to-salesforce',NULL,'2026-12-01T02:16:27.054Z','2026-12-01T02:16:27.194Z','succeeded',NULL,'{"changed":1,"confirmed":1,"conflicts":{},"created":0,"deleted":0,"paired":1,"pipe":"phoneiq-to-salesforce","read":1,"seconds":0.2,"skipped":{},"unconfirmed":0,"updated":0}');
INSERT INTO "runs" VALUES(4,'observe-phoneiq',NULL,'2026-12-01T02:16:27.266Z','2026-12-01T02:16:27.280Z','succeeded',NULL,'{"changed":0,"confirmed":0,"conflicts":{},"created":0,"deleted":0,"paired":0,"pipe":"observe-phoneiq","read":1,"seconds":0.0,"skipped":{},"unconfirmed":0,"updated":0}');
INSERT INTO "runs" VALUES(5,'salesforce-to-phoneiq',NULL,'2026-12-01T02:16:27.334Z','2026-12-01T02:16:27.344Z','succeeded',NULL,'{"changed":0,"confirmed":0,"conflicts":{},"created":0,"deleted":0,"paired":0,"pipe":"salesforce-to-phoneiq","read":1,"seconds":0.0,"skipped":{},"unconfirmed":0,"updated":0}');
INSERT INTO "runs" VALUES(6,'phoneiq-to-salesforce',NULL,'2026-12-01T02:16:27.410Z','2026-12-01T02:16:27.430Z','succeeded',NULL,'{"changed":0,"confirmed":0,"conflicts":{},"created":0,"deleted":0,"paired":0,"pipe":"phoneiq-to-salesforce","read":1,"seconds":0.1,"skipped":{},"unconfirmed":0,"updated":0}');
INSERT INTO "runs" VALUES(7,'observe-phoneiq',NULL,'2026-12-01T02:16:27.490Z','2026-12-01T02:16:27.505Z','succeeded',NULL,'{"changed":0,"confirmed":0,"conflicts":{},"created":0,"deleted":0,"paired":0,"pipe":"observe-phoneiq","read":1,"seconds":0.1,"skipped":{},"unconfirmed":0,"updated":0}');
INSERT INTO "runs" VALUES(8,'salesforce-to-phoneiq',NULL,'2026-12-01T02:16:27.546Z','2026-12-01T02:16:27.766Z','succeeded',NULL,'{"changed":2,"confirmed":0,"conflicts":{},"created":0,"deleted":0,"paired":0,"pipe":"salesforce-to-phoneiq","read":2,"seconds":0.2,"skipped":{"no_valid_phone":1},"unconfirmed":0,"updated":1}');
INSERT INTO "runs" VALUES(9,'phoneiq-to-salesforce',NULL,'2026-12-01T02:16:27.815Z','2026-12-01T02:16:27.962Z','succeeded',NULL,'{"changed":1,"confirmed":1,"conflicts":{},"created":0,"deleted":0,"paired":0,"pipe":"phoneiq-to-salesforce","read":1,"seconds":0.2,"skipped":{},"unconfirmed":0,"updated":0}');
INSERT INTO "runs" VALUES(10,'observe-phoneiq',NULL,'2026-12-01T02:16:28.034Z','2026-12-01T02:16:28.058Z','succeeded',NULL,'{"changed":0,"confirmed":0,"conflicts":{},"created":0,"deleted":0,"paired":0,"pipe":"observe-phoneiq","read":1,"seconds":0.1,"skipped":{},"unconfirmed":0,"updated":0}');
INSERT INTO "runs" VALUES(11,'salesforce-to-phoneiq',NULL,'2026-12-01T02:16:28.123Z','2026-12-01T02:16:28.133Z','succeeded',NULL,'{"changed":0,"confirmed":0,"conflicts":{},"created":0,"deleted":0,"paired":0,"pipe":"salesforce-to-phoneiq","read":1,"seconds":0.0,"skipped":{"no_valid_phone":1},"unconfirmed":0,"updated":0}');
INSERT INTO "runs" VALUES(12,'phoneiq-to-salesforce',NULL,'2026-12-01T02:16:28.175Z','2026-12-01T02:16:28.194Z','succeeded',NULL,'{"changed":0,"confirmed":0,"conflicts":{},"created":0,"deleted":0,"paired":0,"pipe":"phoneiq-to-salesforce","read":1,"seconds":0.0,"skipped":{},"unconfirmed":0,"updated":0}');
CREATE TABLE streams (
	side TEXT NOT NULL, 
	stream TEXT NOT NULL, 
	needed BOOLEAN NOT NULL, 
	schema TEXT, 
	complete_run INTEGER, 
	PRIMARY KEY (side, stream)
);
INSERT INTO "streams" VALUES('phoneiq','contacts',1,'{"properties":{"city":{"maxLength":80,"type":["string","null"]},"company":{"maxLength":255,"type":["string","null"]},"country":{"maxLength":80,"type":["string","null"]},"created_at":{"type":["string","null"]},"custom_score":{"type":["number","null"]},"custom_segment":{"maxLength":40,"type":["string","null"]},"custom_vip":{"type":["boolean","null"]},"deleted_at":{"type":["string","null"]},"email":{"maxLength":254,"type":["string","null"]},"fax":{"maxLength":50,"type":["string","null"]},"first_name":{"maxLength":100,"type":["string","null"]},"home_phone":{"maxLength":50,"type":["string","null"]},"id":{"type":["string","null"]},"job_title":{"maxLength":128,"type":["string","null"]},"last_name":{"maxLength":100,"type":["string","null"]},"mobile_phone":{"maxLength":50,"type":["string","null"]},"notes":{"maxLength":32000,"type":["string","null"]},"other_phone":{"maxLength":50,"type":["string","null"]},"postal_code":{"maxLength":20,"type":["string","null"]},"salesforce_id":{"maxLength":18,"type":["string","null"]},"salesforce_object":{"maxLength":20,"type":["string","null"]},"state":{"maxLength":80,"type":["string","null"]},"street":{"maxLength":255,"type":["string","null"]},"updated_at":{"type":["string","null"]},"version":{"type":"integer"},"website":{"maxLength":255,"type":["string","null"]},"work_phone":{"maxLength":50,"type":["string","null"]}},"type":"object"}',12);
INSERT INTO "streams" VALUES('salesforce','Contact',1,'{"properties":{"AccountId":{"type":["null","string"]},"CreatedDate":{"type":"string"},"Description":{"type":["null","string"]},"Email":{"type":["null","string"]},"Fax":{"type":["null","string"]},"FirstName":{"type":["null","string"]},"HomePhone":{"type":["null","string"]},"Id":{"type":"string"},"IsDeleted":{"type":["null","string"]},"IsPersonAccount":{"type":["null","string"]},"LastName":{"type":["null","string"]},"MailingCity":{"type":["null","string"]},"MailingCountry":{"type":["null","string"]},"MailingPostalCode":{"type":["null","string"]},"MailingState":{"type":["null","string"]},"MailingStreet":{"type":["null","string"]},"MasterRecordId":{"type":["null","string"]},"MobilePhone":{"type":["null","string"]},"Newsletter__c":{"type":["null","string"]},"OtherPhone":{"type":["null","string"]},"Phone":{"type":["null","string"]},"PhoneIQ_Contact_ID__c":{"type":["null","string"]},"Rating__c":{"type":["null","string"]},"SystemModstamp":{"type":"string"},"Title":{"type":["null","string"]}},"type":"object"}',11);
INSERT INTO "streams" VALUES('salesforce','Lead',1,'{"properties":{"City":{"type":["null","string"]},"Company":{"type":["null","string"]},"ConvertedAccountId":{"type":["null","string"]},"ConvertedContactId":{"type":["null","string"]},"Country":{"type":["null","string"]},"CreatedDate":{"type":"string"},"Description":{"type":["null","string"]},"Email":{"type":["null","string"]},"Fax":{"type":["null","string"]},"FirstName":{"type":["null","string"]},"Id":{"type":"string"},"IsConverted":{"type":["null","string"]},"IsDeleted":{"type":["null","string"]},"LastName":{"type":["null","string"]},"MasterRecordId":{"type":["null","string"]},"MobilePhone":{"type":["null","string"]},"Newsletter__c":{"type":["null","string"]},"Phone":{"type":["null","string"]},"PhoneIQ_Contact_ID__c":{"type":["null","string"]},"PostalCode":{"type":["null","string"]},"Rating__c":{"type":["null","string"]},"State":{"type":["null","string"]},"Street":{"type":["null","string"]},"SystemModstamp":{"type":"string"},"Title":{"type":["null","string"]},"Website":{"type":["null","string"]}},"type":"object"}',11);
INSERT INTO "streams" VALUES('salesforce','Account',0,'{"properties":{"BillingCity":{"type":["null","string"]},"BillingCountry":{"type":["null","string"]},"BillingPostalCode":{"type":["null","string"]},"BillingState":{"type":["null","string"]},"BillingStreet":{"type":["null","string"]},"CreatedDate":{"type":"string"},"Description":{"type":["null","string"]},"Fax":{"type":["null","string"]},"FirstName":{"type":["null","string"]},"Id":{"type":"string"},"Industry":{"type":["null","string"]},"IsDeleted":{"type":["null","string"]},"IsPersonAccount":{"type":["null","string"]},"LastName":{"type":["null","string"]},"MasterRecordId":{"type":["null","string"]},"Name":{"type":["null","string"]},"PersonContactId":{"type":["null","string"]},"PersonEmail":{"type":["null","string"]},"PersonHomePhone":{"type":["null","string"]},"PersonMailingCity":{"type":["null","string"]},"PersonMailingCountry":{"type":["null","string"]},"PersonMailingPostalCode":{"type":["null","string"]},"PersonMailingState":{"type":["null","string"]},"PersonMailingStreet":{"type":["null","string"]},"PersonMobilePhone":{"type":["null","string"]},"PersonOtherPhone":{"type":["null","string"]},"PersonTitle":{"type":["null","string"]},"Phone":{"type":["null","string"]},"PhoneIQ_Contact_ID__c":{"type":["null","string"]},"SystemModstamp":{"type":"string"},"Website":{"type":["null","string"]}},"type":"object"}',11);
CREATE TABLE waiting (
	"row" INTEGER NOT NULL, 
	PRIMARY KEY ("row")
);
CREATE TABLE writes (
	write INTEGER NOT NULL, 
	side SMALLINT NOT NULL, 
	source_row INTEGER NOT NULL, 
	action SMALLINT NOT NULL, 
	changes TEXT, 
	run INTEGER NOT NULL, 
	stamp BIGINT, 
	tries INTEGER NOT NULL, 
	confirmed_run INTEGER, 
	PRIMARY KEY (write)
);
INSERT INTO "writes" VALUES(1,0,1,0,NULL,2,NULL,1,3);
INSERT INTO "writes" VALUES(2,0,1,2,'{"job_title":[null,"Countess","only_salesforce_changed"]}',8,-3218277234453852752,1,9);
CREATE INDEX approved_digest ON approved (side, digest);
CREATE INDEX writes_again ON writes (side, tries) WHERE confirmed_run IS NULL AND tries > 1;
CREATE UNIQUE INDEX writes_open ON writes (source_row, side) WHERE confirmed_run IS NULL;
CREATE INDEX writes_source ON writes (source_row, run);
CREATE INDEX phone_numbers_number ON phone_numbers (number, "row");
CREATE INDEX records_duplicate_of ON records (duplicate_of) WHERE duplicate_of IS NOT NULL;
CREATE INDEX records_duplicates ON records (side, skip) WHERE duplicate_of IS NOT NULL;
CREATE INDEX records_email ON records (email) WHERE email IS NOT NULL;
CREATE INDEX records_given_up ON records ("row") WHERE creating = 1 AND pair IS NULL AND (deleted = 1 OR skip IS NOT NULL OR duplicate_of IS NOT NULL);
CREATE INDEX records_gone ON records ("row") WHERE settled = 0 AND deleted = 1;
CREATE INDEX records_leaving ON records (successor) WHERE successor IS NOT NULL AND creating = 1;
CREATE INDEX records_made ON records (side, "row") WHERE made = 1 AND deleted = 0;
CREATE INDEX records_moving ON records (side, pair) WHERE successor IS NOT NULL AND pair IS NOT NULL;
CREATE INDEX records_open_alone ON records (side, "row") WHERE settled = 0 AND pair IS NULL;
CREATE INDEX records_open_pairs ON records (pair) WHERE settled = 0 AND pair IS NOT NULL;
CREATE INDEX records_paired ON records (side, object) WHERE pair IS NOT NULL;
CREATE INDEX records_reference ON records (reference) WHERE reference IS NOT NULL;
CREATE INDEX records_related ON records (related) WHERE related IS NOT NULL;
CREATE INDEX records_released ON records (side) WHERE released = 1;
CREATE INDEX records_skip ON records (side, skip, object) WHERE skip IS NOT NULL;
CREATE INDEX records_successor ON records (successor) WHERE successor IS NOT NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('runs',12);
COMMIT;
