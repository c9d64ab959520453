-- What every stage has: people to claim for, and a service of the provider to publish openings of.
INSERT INTO participants (program_id, id, code, organization_id)
SELECT :'program', uuidv7(), 'P-' || n, :'agency' FROM generate_series(1, :participants) n;

INSERT INTO services (program_id, id, organization_id, name, category)
VALUES (:'program', uuidv7(), :'provider', 'Night shelter', 'housing');
