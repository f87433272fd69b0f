CREATE INDEX idx_audit_logs_created_at ON audit_logs (created_at);
CREATE INDEX idx_users_email ON users (email);
CREATE INDEX idx_patient_briefs_doctor_id ON patient_briefs (doctor_id);
