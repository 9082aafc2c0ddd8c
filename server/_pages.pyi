from collections.abc import Sequence

from server.page import Page
from server.ranking import RankedList

def response(
    page: Page, further: Sequence[bytes], source_numbers: bytes, user_state: int, how: bytes
) -> bytes: ...
def packed(ranked: RankedList, n_shown: int, head: bytes) -> bytes: ...
def text_of(tag: bytes, signed: bytes) -> str: ...
