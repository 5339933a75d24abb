# Google Cloud Storage: no server that speaks the interface of the client could be fetched, so it is a bucket that the environment
# names, with the client's own variables (GOOGLE_SERVICE_ACCOUNT, ..).
gcs_install() {
  [ -n "${PAIMON_TEST_GCS_WAREHOUSE:-}" ] || { reason="PAIMON_TEST_GCS_WAREHOUSE names no bucket (gs://bucket/folder)"; return 1; }
}
gcs_start() { :; }
gcs_tests() { suite stores a_real_gcs_server; }
