"""Validates payment files against the schema of ISO 20022.

    validate.py XSD FILE...
"""

import sys

from lxml import etree

schema = etree.XMLSchema(etree.parse(sys.argv[1]))
for path in sys.argv[2:]:
    if not schema.validate(etree.parse(path)):
        sys.exit(f"{path}: {schema.error_log}")
