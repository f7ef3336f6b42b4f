#!/usr/bin/env python3
"""An object store that speaks as much of S3's HTTP as storing and reading a mail takes: PUT, GET with a range, HEAD, DELETE, and uploads in
parts. It keeps objects as files and checks no signature.

    object_store.py FOLDER [PORT]        prints the address where it listens

For measuring what a store that is away or slow does to mail; whether ringpost gets along with real ones is the tests' business.
"""
import hashlib
import html
import http.server
import os
import re
import shutil
import sys
import threading
import urllib.parse
import uuid


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection. A path is a file of that name, escaped; the parts of an upload are a folder until it is complete."""
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        path = self.server.folder
        self.objects, self.uploads = os.path.join(path, "objects"), os.path.join(path, "uploads")

    def log_message(self, *_):
        pass

    def where(self):
        parts = urllib.parse.urlsplit(self.path)
        query = {key: values[0] for key, values in urllib.parse.parse_qs(parts.query, keep_blank_values=True).items()}
        return os.path.join(self.objects, urllib.parse.quote(parts.path, safe="")), query

    def body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        data = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers and status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def store(self, path, data):
        # A name that is there is whole.
        partial = f"{path}.{threading.get_ident()}"
        with open(partial, "wb") as file:
            file.write(data)
        os.rename(partial, path)
        return f'"{hashlib.md5(data).hexdigest()}"'

    def do_PUT(self):
        path, query = self.where()
        data = self.body()
        if "uploadId" in query:
            path = os.path.join(self.uploads, query["uploadId"], f"{int(query['partNumber']):06}")
        elif self.headers.get("If-None-Match") == "*" and os.path.exists(path):
            return self.answer(412)
        return self.answer(200, ETag=self.store(path, data))

    def do_POST(self):
        path, query = self.where()
        data = self.body()
        if "uploads" in query:
            upload = uuid.uuid4().hex
            os.makedirs(os.path.join(self.uploads, upload))
            return self.xml(f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>")
        if "delete" in query:
            return self.delete(data)
        folder = os.path.join(self.uploads, query["uploadId"])
        numbers = re.findall(rb"<PartNumber>(\d+)</PartNumber>", data)
        whole = b""
        for number in numbers:
            with open(os.path.join(folder, f"{int(number):06}"), "rb") as file:
                whole += file.read()
        tag = self.store(path, whole)
        shutil.rmtree(folder)
        return self.xml(f"<CompleteMultipartUploadResult><ETag>{tag}</ETag></CompleteMultipartUploadResult>")

    def delete(self, data):
        """Several objects, named by their keys in the bucket of the path."""
        bucket = urllib.parse.urlsplit(self.path).path.rstrip("/")
        keys = [html.unescape(key) for key in re.findall(r"<Key>([^<]*)</Key>", data.decode())]
        for key in keys:
            path = os.path.join(self.objects, urllib.parse.quote(f"{bucket}/{urllib.parse.quote(key)}", safe=""))
            if os.path.exists(path):
                os.unlink(path)
        self.xml("<DeleteResult>" + "".join(f"<Deleted><Key>{html.escape(key)}</Key></Deleted>" for key in keys) + "</DeleteResult>")

    def xml(self, text):
        self.answer(200, ('<?xml version="1.0" encoding="UTF-8"?>' + text).encode(), Content_Type="application/xml")

    def do_GET(self):
        path, _ = self.where()
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError:
            return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>", Content_Type="application/xml")
        tag = f'"{hashlib.md5(data).hexdigest()}"'
        when = self.date_time_string(int(os.stat(path).st_mtime))
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked and int(asked[1]) < len(data):
            first, last = int(asked[1]), min(int(asked[2] or len(data)), len(data) - 1)
            part = data[first:last + 1]
            return self.answer(206, part, ETag=tag, Last_Modified=when, Content_Length=str(len(part)),
                               Content_Range=f"bytes {first}-{last}/{len(data)}")
        return self.answer(200, data, ETag=tag, Last_Modified=when, Content_Length=str(len(data)))

    do_HEAD = do_GET

    def do_DELETE(self):
        path, query = self.where()
        if "uploadId" in query:
            shutil.rmtree(os.path.join(self.uploads, query["uploadId"]), ignore_errors=True)
        elif os.path.exists(path):
            os.unlink(path)
        self.answer(204)


def main():
    for name in ("objects", "uploads"):
        os.makedirs(os.path.join(sys.argv[1], name), exist_ok=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 0), Handler)
    server.folder = sys.argv[1]
    print(f"127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
