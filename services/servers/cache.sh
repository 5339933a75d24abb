# The program's cache on local disk, before moto.
cache_install() { s3_install; }
cache_start() { s3_start; }
cache_tests() { suite it disk_cache:: --features paimon-cli/cache; }
