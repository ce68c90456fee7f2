"""S3 and DynamoDB for tests: moto on loopback, one request at a time.

Served by threads, moto looks whether something is there in one and writes it in another; then two create one thing.
"""

import logging
import sys

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

logging.getLogger("werkzeug").setLevel(logging.ERROR)
run_simple("127.0.0.1", int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=False)
