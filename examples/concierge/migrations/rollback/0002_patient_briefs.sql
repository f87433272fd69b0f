DROP TABLE patient_briefs;
