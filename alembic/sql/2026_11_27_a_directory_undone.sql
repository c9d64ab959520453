REVOKE UPDATE (name, description, website, email, version) ON organizations FROM openberth_app
;;
REVOKE UPDATE (name, location_type, latitude, longitude, address_1, address_2, city, state_province, postal_code,
  country, masked, version) ON locations FROM openberth_app
;;
REVOKE UPDATE (location_id, name, description, status, hud_project_type, eligibility_description, minimum_age,
  maximum_age, languages, attributes, phones, schedules, required_documents, version) ON services FROM openberth_app
;;
DROP TRIGGER services_followed ON services
;;
DROP TRIGGER locations_followed ON locations
;;
DROP TRIGGER organizations_followed ON organizations
;;
DROP TRIGGER services_changed ON services
;;
DROP TRIGGER locations_changed ON locations
;;
DROP TRIGGER organizations_changed ON organizations
;;
DROP FUNCTION openings_follow, directory_changed
