pragma user_version = 1;
pragma application_id = 1416130149;
BEGIN TRANSACTION;
CREATE TABLE conversations (
        id text primary key,
        channel text not null,
        title text not null,
        created_at real not null,
        updated_at real not null,
        user text not null,
        area text not null
    ) strict, without rowid
    ;
INSERT INTO "conversations" VALUES('api:evening','api','turn off the kitchen li…',1.79587145898551511771e+09,1.79587145917322444916e+09,'','');
INSERT INTO "conversations" VALUES('c_52ee6fcfbda49edf','api','turn on the bedroom lig…',1795871459.19085,1.79587145919912362099e+09,'','');
CREATE TABLE event_blocks (
        ordinal integer primary key,
        last_seq integer not null unique,
        body blob not null
    ) strict
    ;
INSERT INTO "event_blocks" VALUES(7,7,X'5B7B22736571223A312C227473223A313739353837313435372E303532303435382C22736F75726365223A226C6F6F70222C226B696E64223A226C6F6F705F73746172746564222C2264617461223A7B226C6F6F705F6964223A2230316132323234372D626631622D373232322D616132392D653264663064333937356236222C226C6F6F705F6E616D65223A226F7775222C22706172656E745F6964223A22227D7D2C7B22736571223A322C227473223A313739353837313435372E303532303734372C22736F75726365223A226C6F6F70222C226B696E64223A226C6F6F705F73746174655F6368616E6765222C2264617461223A7B226C6F6F705F6964223A2230316132323234372D626631622D373232322D616132392D653264663064333937356236222C226C6F6F705F6E616D65223A226F7775222C2266726F6D223A2270656E64696E67222C22746F223A2277616974696E67222C226576656E745F736571223A317D7D2C7B22736571223A332C227473223A313739353837313435372E3035323038352C22736F75726365223A226C6F6F70222C226B696E64223A226C6F6F705F73746172746564222C2264617461223A7B226C6F6F705F6964223A2230316132323234372D626631622D376662382D623936322D363738653364373966383265222C226C6F6F705F6E616D65223A226861222C22706172656E745F6964223A22227D7D2C7B22736571223A342C227473223A313739353837313435372E3035323039342C22736F75726365223A226C6F6F70222C226B696E64223A226C6F6F705F73746174655F6368616E6765222C2264617461223A7B226C6F6F705F6964223A2230316132323234372D626631622D376662382D623936322D363738653364373966383265222C226C6F6F705F6E616D65223A226861222C2266726F6D223A2270656E64696E67222C22746F223A2277616974696E67222C226576656E745F736571223A317D7D2C7B22736571223A352C227473223A313739353837313435372E303532312C22736F75726365223A226C6F6F70222C226B696E64223A226C6F6F705F73746172746564222C2264617461223A7B226C6F6F705F6964223A2230316132323234372D626631632D376566322D613135332D333463636330613364633733222C226C6F6F705F6E616D65223A22617069222C22706172656E745F6964223A22227D7D2C7B22736571223A362C227473223A313739353837313435372E303532313036392C22736F75726365223A226C6F6F70222C226B696E64223A226C6F6F705F73746174655F6368616E6765222C2264617461223A7B226C6F6F705F6964223A2230316132323234372D626631632D376566322D613135332D333463636330613364633733222C226C6F6F705F6E616D65223A22617069222C2266726F6D223A2270656E64696E67222C22746F223A2277616974696E67222C226576656E745F736571223A317D7D2C7B22736571223A372C227473223A313739353837313435372E3035323534392C22736F75726365223A2273797374656D222C226B696E64223A2273746172746564222C2264617461223A7B2276657273696F6E223A22302E312E30222C226E61746976655F75726C223A22687474703A2F2F3132372E302E302E313A3138313931222C226F6C6C616D615F75726C223A22687474703A2F2F3132372E302E302E313A3138313932222C22686F6D65223A2264656D6F222C2270726F7669646572223A22656D626564646564227D7D5D');
CREATE TABLE messages (
        number integer primary key,
        id text not null,
        conversation_id text not null references conversations (id),
        run_id text not null,
        position integer not null,
        at real not null,
        key text not null,
        parent_key text not null,
        role text not null,
        content text not null,
        extra text
    ) strict
    ;
INSERT INTO "messages" VALUES(1,'01a22247-c6c6-774a-9915-17933d3e0089','api:evening','r_78860e073edce9ba',0,1.79587145898564529413e+09,'bba5d070ad22813919d5848cfe972d27','','user','turn off the kitchen lights',NULL);
INSERT INTO "messages" VALUES(2,'01a22247-c6c6-7988-a24c-2e6a40556108','api:evening','r_78860e073edce9ba',1,1.79587145901457405092e+09,'41beba226cf78c051687f4d77727ab68','bba5d070ad22813919d5848cfe972d27','assistant','Turned off the light.',NULL);
INSERT INTO "messages" VALUES(3,'01a22247-c71b-7569-8501-cb19f8c2bae8','api:evening','r_e8b9f6c2552d1959',2,1.79587145909012675278e+09,'ff9bab92d43442cbe62f98c019ee3085','41beba226cf78c051687f4d77727ab68','user','what lights are on?',NULL);
INSERT INTO "messages" VALUES(4,'01a22247-c71b-799a-81e8-0cb58173ed99','api:evening','r_e8b9f6c2552d1959',3,1.79587145909926700591e+09,'048e649d353533ea85edaf43adac7a9b','ff9bab92d43442cbe62f98c019ee3085','assistant','Counter Light, Desk Lamp, Floor Lamp and 3 more.',NULL);
INSERT INTO "messages" VALUES(5,'01a22247-c765-77df-a66e-ced449486264','api:evening','r_c01433a57f89a1f6',4,1.79587145916900515554e+09,'3705549955bf27d1495d55ad1778d6b6','048e649d353533ea85edaf43adac7a9b','user','hello',NULL);
INSERT INTO "messages" VALUES(6,'01a22247-c765-7f38-b1bb-b86e6d9de486','api:evening','r_c01433a57f89a1f6',5,1.79587145917322444916e+09,'cde77fdc1a0244dc1831787e734feac5','3705549955bf27d1495d55ad1778d6b6','assistant','Hello, I am Thane.',NULL);
INSERT INTO "messages" VALUES(7,'01a22247-c77f-7bb6-bdbe-230b13302b17','c_52ee6fcfbda49edf','r_69846599dbbc9eb0',0,1.79587145919093704228e+09,'1e076d1cc6a05c4a99208bb7864ff002','','user','turn on the bedroom light',NULL);
INSERT INTO "messages" VALUES(8,'01a22247-c77f-74b8-8575-2348292bd8d5','c_52ee6fcfbda49edf','r_69846599dbbc9eb0',1,1.79587145919912362099e+09,'9ecbf715b88a6d1244031963c5c09612','1e076d1cc6a05c4a99208bb7864ff002','assistant','Turned on the lights.',NULL);
CREATE TABLE meta (
        name text primary key,
        value integer not null
    ) strict, without rowid
    ;
INSERT INTO "meta" VALUES('event_seq',98);
CREATE TABLE runs (
        id text primary key,
        conversation_id text references conversations (id),
        loop_id text not null,
        channel text not null,
        profile text not null,
        state text not null,
        started_at real not null,
        title text not null,
        model text not null,
        text text not null,
        thinking text not null,
        input_tokens integer not null,
        output_tokens integer not null,
        cached_tokens integer not null,
        reasoning_tokens integer not null,
        estimated integer not null,
        finish_reason text,
        failure text,
        error text not null,
        cancelled_by text not null,
        queued real not null,
        duration real not null,
        first_token real,
        task text not null
    ) strict
    ;
INSERT INTO "runs" VALUES('r_78860e073edce9ba','api:evening','01a22247-c6a9-7738-9172-3ea104860994','api','thane:latest','done',1.79587145898564529413e+09,'turn off the kitchen li…','embedded','Turned off the light.','',53,16,0,0,1,'stop',NULL,'','',2.55231003393419086933e-04,2.89128209988120943307e-02,2.85378819971811026334e-02,'');
INSERT INTO "runs" VALUES('r_e8b9f6c2552d1959','api:evening','01a22247-c6a9-7738-9172-3ea104860994','api','thane:latest','done',1.79587145909012675278e+09,'what lights are on?','embedded','Counter Light, Desk Lamp, Floor Lamp and 3 more.','',452,21,0,0,1,'stop',NULL,'','',2.27840006118640303611e-04,9.12584400794003158807e-03,8.82827000168617814779e-03,'');
INSERT INTO "runs" VALUES('r_c01433a57f89a1f6','api:evening','01a22247-c6a9-7738-9172-3ea104860994','api','thane:latest','done',1.79587145916900515554e+09,'hello','embedded','Hello, I am Thane.','',30,5,0,0,1,'stop',NULL,'','',1.64165001478977501392e-04,0.00421010100399144,3.95067399949766695499e-03,'');
INSERT INTO "runs" VALUES('r_69846599dbbc9eb0','c_52ee6fcfbda49edf','01a22247-c776-76c2-850f-dafbb015c63a','api','thane:latest','done',1.79587145919093704228e+09,'turn on the bedroom lig…','embedded','Turned on the lights.','',80,19,0,0,1,'stop',NULL,'','',1.18868003482930362224e-04,8.17903300048783421516e-03,7.92117799574043601751e-03,'');
CREATE TABLE steps (
        run_id text not null references runs (id),
        place integer not null,
        step integer not null,
        model text not null,
        provider text not null,
        input_tokens integer not null,
        output_tokens integer not null,
        cached_tokens integer not null,
        reasoning_tokens integer not null,
        estimated integer not null,
        finish_reason text not null,
        started_at real not null,
        duration real not null,
        first_token real,
        primary key (run_id, place)
    ) strict, without rowid
    ;
INSERT INTO "steps" VALUES('r_69846599dbbc9eb0',0,1,'embedded','embedded',7,13,0,0,1,'tool_calls',1.79587145919117975234e+09,4.57873599953018128871e-03,4.57409900263883173465e-03);
INSERT INTO "steps" VALUES('r_69846599dbbc9eb0',1,2,'embedded','embedded',73,6,0,0,1,'stop',1.79587145919703650479e+09,1.92142500600311905145e-03,1.91753900435287505388e-03);
INSERT INTO "steps" VALUES('r_78860e073edce9ba',0,1,'embedded','embedded',7,10,0,0,1,'tool_calls',1.79587145898836350434e+09,1.95393570029409602284e-02,1.95308749971445649862e-02);
INSERT INTO "steps" VALUES('r_78860e073edce9ba',1,2,'embedded','embedded',46,6,0,0,1,'stop',1.79587145900887060166e+09,5.54329300939571112394e-03,0.00553728399972897);
INSERT INTO "steps" VALUES('r_c01433a57f89a1f6',0,1,'embedded','embedded',30,5,0,0,1,'stop',1.79587145917058062551e+09,2.48997200105804949998e-03,2.48462399758864194154e-03);
INSERT INTO "steps" VALUES('r_e8b9f6c2552d1959',0,1,'embedded','embedded',17,9,0,0,1,'tool_calls',1.79587145909085226054e+09,3.15255900204647332429e-03,3.14901400997769087553e-03);
INSERT INTO "steps" VALUES('r_e8b9f6c2552d1959',1,2,'embedded','embedded',435,12,0,0,1,'stop',1.79587145909534049033e+09,3.82469200121704488992e-03,3.8203650037758052349e-03);
CREATE TABLE tool_calls (
        run_id text not null references runs (id),
        place integer not null,
        id text not null,
        conversation_id text not null,
        step integer not null,
        name text not null,
        arguments text not null,
        result text not null,
        ok integer not null,
        started_at real not null,
        duration real not null,
        owner text not null,
        primary key (run_id, place)
    ) strict, without rowid
    ;
INSERT INTO "tool_calls" VALUES('r_69846599dbbc9eb0',0,'call_f515d4d1','c_52ee6fcfbda49edf',1,'HassTurnOn','{"area":"Bedroom","domain":["light"]}','{"data":{"response_type":"action_done","data":{"success":[{"name":"Bedroom","type":"area","id":"bedroom"},{"name":"Bedroom Lights","type":"entity","id":"light.bedroom_lights"},{"name":"Bed Light","type":"entity","id":"light.bed_light"}],"failed":[]}},"error":false}',1,1.7958714591959335804e+09,6.89719003275968134403e-04,'thane');
INSERT INTO "tool_calls" VALUES('r_78860e073edce9ba',0,'call_61b983b7','api:evening',1,'HassTurnOff','{"name":"Kitchen Lights"}','{"data":{"response_type":"action_done","data":{"success":[{"name":"Kitchen Lights","type":"entity","id":"light.kitchen_lights"}],"failed":[]}},"error":false}',1,1.7958714590082473755e+09,4.24441997893154621124e-04,'thane');
INSERT INTO "tool_calls" VALUES('r_e8b9f6c2552d1959',0,'call_213b592c','api:evening',1,'GetLiveContext','{"domain":["light"]}','{"data":{"result":"Live Context: An overview of the areas and the devices in this smart home:\n- names: Bathroom Light\n  domain: light\n  state: ''off''\n  areas: Bathroom\n  attributes:\n    brightness:\n- names: Bed Light, Bedside Lamp\n  domain: light\n  state: ''off''\n  areas: Bedroom\n  attributes:\n    brightness:\n- names: Bedroom Lights\n  domain: light\n  state: ''off''\n  areas: Bedroom\n  attributes:\n    brightness:\n- names: Counter Light\n  domain: light\n  state: ''on''\n  areas: Kitchen\n  attributes:\n    brightness: ''153''\n    brightness_pct: ''60''\n- names: Desk Lamp\n  domain: light\n  state: ''on''\n  areas: Office, Study\n  attributes:\n    brightness: ''178''\n    brightness_pct: ''70''\n- names: Dining Table Light\n  domain: light\n  state: ''off''\n  areas: Dining Room\n  attributes:\n    brightness:\n- names: Floor Lamp, Reading Lamp\n  domain: light\n  state: ''on''\n  areas: Living Room, Lounge\n  attributes:\n    brightness: ''102''\n    brightness_pct: ''40''\n- names: Garage Light\n  domain: light\n  state: ''off''\n  areas: Garage\n- names: Garden Lights\n  domain: light\n  state: ''off''\n  areas: Garden, Outside\n  attributes:\n    brightness:\n- names: Hall Light\n  domain: light\n  state: ''on''\n  areas: Hall, Hallway\n- names: Kitchen Lights\n  domain: light\n  state: ''off''\n  areas: Kitchen\n  attributes:\n    brightness:\n- names: Living Room Lights\n  domain: light\n  state: ''on''\n  areas: Living Room, Lounge\n  attributes:\n    brightness: ''204''\n    brightness_pct: ''80''\n- names: Office Lights\n  domain: light\n  state: ''on''\n  areas: Office, Study\n  attributes:\n    brightness: ''229''\n    brightness_pct: ''90''\n"},"error":false}',1,1.79587145909418392179e+09,0.00098618000629358,'thane');
CREATE INDEX conversations_by_update on conversations (updated_at, id);
CREATE UNIQUE INDEX messages_by_key on messages (key, conversation_id) where key <> '';
CREATE INDEX messages_by_parent on messages (conversation_id, parent_key);
CREATE INDEX runs_by_start on runs (started_at, id);
CREATE INDEX runs_by_conversation on runs (conversation_id, started_at, id);
CREATE INDEX runs_open on runs (state) where state in ('queued', 'running');
COMMIT;
