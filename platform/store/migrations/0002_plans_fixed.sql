-- What was proposed stays as it was proposed: approvals name its hash. Only how a plan stands changes.
CREATE FUNCTION refuse_other_plan() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.id <> NEW.id OR OLD.doc->'body' IS DISTINCT FROM NEW.doc->'body' OR OLD.doc->'hash' IS DISTINCT FROM NEW.doc->'hash' THEN
        RAISE EXCEPTION 'the body of a plan is never changed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER plans_fixed BEFORE UPDATE ON plans FOR EACH ROW EXECUTE FUNCTION refuse_other_plan();
