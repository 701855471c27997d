"""Sentences of the pre-training prose; slots as in ``counselling_templates``, and {theirs} for a third person.

A real row: ``"Many people become {feeling} when something like this happens: {theirs}."``
"""

# fmt: off

STORY = {  # one sentence from each list, in this order: a client's narrative alone
    "en": [["Dear diary, {mine}.", "Here is my story: {mine}.", "This week {mine}.", "{mine} in spring."],
           ["I was {feeling} all day.", "A {feeling} evening followed.", "My heart grew {feeling} and heavy.",
            "Sometimes one is {feeling} without words."],
           ["Besides, {detail}.", "At home {detail}.", "In these days {detail}."],
           ["I hope that tomorrow will be lighter.", "Writing helps me a little.", "It was a long month.", "Nobody noticed."]],
    "zh": [["亲爱的日记，{mine}。", "这是我的故事：{mine}。", "这个星期{mine}。", "春天的时候，{mine}。"],
           ["一整天我都{feeling}得很。", "夜里只有{feeling}陪伴着人。", "心变得沉重又{feeling}。", "有时候{feeling}说不出口。"],
           ["而且{detail}。", "在家里，{detail}。", "这些日子{detail}。"],
           ["希望明天会轻松一些。", "写下来好了一点。", "这个月过得很慢。", "没有人注意到。"]],
}

ESSAY = {
    "en": ["Many people become {feeling} when something like this happens: {theirs}.",
           "A counsellor listens first, and then asks about {topic}.",
           "One thing that helps with {topic} is to {step}.",
           "Whoever is {feeling} may ask: {question}?",
           "Books about {topic} often give this advice: {step}.",
           "A reader told us that {theirs}. Of course this made them {feeling}.",
           "It is natural to be {feeling} about {topic}. Talking to someone makes it easier.",
           "Worries about {topic} come and go; it takes time and patience."],
    "zh": ["很多人遇到这样的事会变得{feeling}：{theirs}。",
           "咨询师会先听，然后再问起{topic}的事。",
           "对{topic}有帮助的一个办法是{step}。",
           "{feeling}的人可以问一问自己：{question}？",
           "讲{topic}的书常常建议：{step}。",
           "有位读者说{theirs}，所以变得很{feeling}。",
           "因为{topic}而{feeling}是自然的，说出来会容易一些。",
           "{topic}的烦恼来来去去，需要时间和耐心。"],
}

LETTER = {
    "en": ["{mine}, and I was {feeling}.", "Dear paper, {mine}. I became {feeling}.", "I write because {mine}. {feeling} is the word for me.",
           "Being {feeling} is new to me. In short, {mine}.", "{mine}. Who would not be {feeling}?"],
    "zh": ["{mine}，于是变得{feeling}。", "编辑好：{mine}。我有些{feeling}。", "写信是由于{mine}。{feeling}就是我的心情。",
           "{feeling}对我来说是新的。总之{mine}。", "{mine}。谁不会{feeling}呢？"],
}

COLUMN = {  # a paper answers: one sentence from each list
    "en": [["Dear reader, {yours}.", "You write that {yours}.", "So {yours}.", "You are {feeling}, we read.",
            "Whoever reads this sees how {feeling} you are.", "It is hard that {yours}."],
           ["Our advice on {topic}: {step}.", "You might {step}.", "With worries about {topic} it helps to {step}.",
            "We would like to know, {question}?"]],
    "zh": [["亲爱的读者，{yours}。", "你信里说{yours}。", "原来{yours}。", "读得出你很{feeling}。",
            "读到这里的人都明白你有多{feeling}。", "{yours}，真难啊。"],
           ["我们对{topic}的建议：{step}。", "不妨{step}。", "{topic}有烦恼的时候，{step}会有帮助。",
            "我们想知道，{question}？"]],
}

NOTES = {
    "en": ["Topic: {topic}\nWhat happened: {theirs}\nFeeling: {feeling}\nAdvice: {step}"],
    "zh": ["主题：{topic}\n经过：{theirs}\n心情：{feeling}\n建议：{step}"],
}
