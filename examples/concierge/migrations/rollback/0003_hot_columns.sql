DROP INDEX idx_patient_briefs_doctor_id;
DROP INDEX idx_users_email;
DROP INDEX idx_audit_logs_created_at;
