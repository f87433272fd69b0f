-- The indexes that the lists of the application need; created where they are missing.
CREATE INDEX IF NOT EXISTS idx_tasks_user_status ON tasks (user_id, status);
CREATE INDEX IF NOT EXISTS idx_health_logs_user_type ON health_logs (user_id, type);
CREATE INDEX IF NOT EXISTS idx_focus_sessions_user_date ON focus_sessions (user_id, start_time);
