PRAGMA application_id = 1380796756;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE entries(
  seq INTEGER PRIMARY KEY, run INTEGER NOT NULL, n INTEGER NOT NULL, kind NOT NULL, at INTEGER NOT NULL,
  action TEXT NOT NULL, part TEXT NOT NULL, body TEXT NOT NULL, hash BLOB NOT NULL);
INSERT INTO "entries" VALUES(1,1,1,0,1795378462061,'','','{"actor":"plan:root","goal":"write two notes","kind":"plan","level":"operator","roots":["/tmp/remit-golden/folder"],"spec":{"goal":"write two notes","inputs":{},"step":[{"args":{"path":"one.txt","text":"1"},"id":"one","tool":"files.write"},{"args":{"path":"two.txt","text":"2"},"id":"two","needs":["one"],"tool":"files.write"}],"text":"goal = \"write two notes\"\n[[step]]\nid = \"one\"\ntool = \"files.write\"\nargs = { path = \"one.txt\", text = \"1\" }\n[[step]]\nid = \"two\"\ntool = \"files.write\"\nargs = { path = \"two.txt\", text = \"2\" }\nneeds = [\"one\"]\n","v":1},"v":1}',X'3BC234CD7EA43A91F905829A688909CFD5678C417A21BB7860AB4C2E3C8EDCDF');
INSERT INTO "entries" VALUES(2,1,2,3,1795378462074,'','1','{"remit":"0.1.0"}',X'924543E1A979FB9AD45952BF87CB85C18AA849BAEBD8299CEB9F0722573053F4');
INSERT INTO "entries" VALUES(3,1,3,8,1795378462081,'one.1','','{"actor":"plan:root","args":{"path":"one.txt","text":"1"},"because":["person-approves"],"facts":{"effect":"reversible","level":"operator","planned":true,"provenance":3},"tool":"files.write"}',X'351B23C148E58B0918351AAB5CEBBACDCD3D63FED09CA0675B8771DBCB304D9C');
INSERT INTO "entries" VALUES(4,1,4,9,1795378462088,'one.1',':1','{"binding":"c857e37dc675079109dd22003151a4cc41c2ac601443817b499b3e5bf9369e7f","digest":"0701ecfba644e5c14992e8b7e7fe363482d355486b201a07469af9fd828c0422","expires":1795983262088,"kind":"approve","people":1,"staged":{"changes":[{"a":{"c":"6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b","k":"file","m":420,"s":1},"b":{"i":"65024:2769023:1795378461313023849","k":"absent"},"p":"/tmp/remit-golden/folder/one.txt"}]},"text":"create /tmp/remit-golden/folder/one.txt (1 bytes, sha256 6b86b273ff34)\n  --- before\n  +++ after\n  @@ -0,0 +1 @@\n  +1⟨no newline at end⟩","title":"write /tmp/remit-golden/folder/one.txt (1 bytes)","why":"person-approves: nothing lets this be done alone at this level; it needs a person''s yes\nstep one of: write two notes"}',X'60CAF738200B5040AE2BA49AE447E94F2BBC7F5255DCC33A1720A7974765029A');
CREATE TABLE kinds(code INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
INSERT INTO "kinds" VALUES(0,'opened');
INSERT INTO "kinds" VALUES(1,'level');
INSERT INTO "kinds" VALUES(2,'plan');
INSERT INTO "kinds" VALUES(3,'leg');
INSERT INTO "kinds" VALUES(4,'message');
INSERT INTO "kinds" VALUES(5,'note');
INSERT INTO "kinds" VALUES(6,'closed');
INSERT INTO "kinds" VALUES(7,'reopened');
INSERT INTO "kinds" VALUES(8,'proposed');
INSERT INTO "kinds" VALUES(9,'asked');
INSERT INTO "kinds" VALUES(10,'answered');
INSERT INTO "kinds" VALUES(11,'settled');
INSERT INTO "kinds" VALUES(12,'refused');
INSERT INTO "kinds" VALUES(13,'started');
INSERT INTO "kinds" VALUES(14,'resumed');
INSERT INTO "kinds" VALUES(15,'finished');
INSERT INTO "kinds" VALUES(16,'undone');
CREATE TABLE ledger(
  seq INTEGER PRIMARY KEY, run TEXT NOT NULL, n INTEGER NOT NULL, head BLOB NOT NULL, at INTEGER NOT NULL, hash BLOB NOT NULL);
INSERT INTO "ledger" VALUES(1,'8t5tgw2c',4,X'60CAF738200B5040AE2BA49AE447E94F2BBC7F5255DCC33A1720A7974765029A',1795378462088,X'9469A429A4989CAAB8698AB9BA7C3A22D114A68DB6008A66B377D4E624967D82');
CREATE TABLE pending(kind INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY(kind, seq)) WITHOUT ROWID;
INSERT INTO "pending" VALUES(0,1);
INSERT INTO "pending" VALUES(9,4);
CREATE TABLE runs(
  number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, n INTEGER NOT NULL, hash BLOB NOT NULL, anchored INTEGER NOT NULL DEFAULT 0);
INSERT INTO "runs" VALUES(1,'8t5tgw2c',4,X'60CAF738200B5040AE2BA49AE447E94F2BBC7F5255DCC33A1720A7974765029A',1);
CREATE UNIQUE INDEX entry_once ON entries(run, action, part, kind);
CREATE UNIQUE INDEX entry_order ON entries(run, n);
COMMIT;
