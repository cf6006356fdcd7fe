"""How gunicorn runs the app; address and number of workers may be given on the command line.

`preload_app` must stay off: the clients of MongoDB, Milvus and Kafka do not survive a fork.
"""

worker_class = "gthread"
workers = 2
threads = 8
timeout = 60
graceful_timeout = 10
keepalive = 5
preload_app = False
accesslog = None
errorlog = "-"
# Its default is one path per user, which two stacks of that user would share.
control_socket_disable = True
