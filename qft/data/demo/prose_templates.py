"""Sentences of the pre-training prose; slots as in ``counselling_templates``, and {theirs} for a third person.

A real row: ``"Many people become {feeling} when something like this happens: {theirs}."``
"""

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

FACTS = {
    "en": ["{sum} = {y}.", "{sum} makes {y}.", "The result of {sum} is {y}.", "We know that {sum} = {y}."],
    "zh": ["{sum} = {y}。", "{sum}得到{y}。", "{sum}的结果是{y}。", "我们知道{sum} = {y}。"],
}

ENDINGS = {  # of a solved problem; plain, or with a bit of LaTeX as base models have met it in the world
    "en": ["Result: {y}", "The number is \\mathbf{{{y}}}.", "So the result is \\underline{{{y}}}.", "It is {y}.",
           "One finds \\text{{{y}}}.", "We get \\emph{{{y}}}.", "The sum is \\framebox{{{y}}}.", "The answer: {y}."],
    "zh": ["结果：{y}", "这个数是 \\mathbf{{{y}}}。", "所以结果是 \\underline{{{y}}}。", "就是{y}。",
           "求得 \\text{{{y}}}。", "得到 \\emph{{{y}}}。", "总数是 \\framebox{{{y}}}。", "答案：{y}。"],
}

ASKING = {  # added to the story of a problem
    "en": ["How many?", "What is the number?", "How many {item} does one count?", "Find the number of {item}.", "How many {item}?"],
    "zh": ["是多少？", "这个数是几？", "数一数有几个{item}？", "求{item}的个数。", "有多少{item}？"],
}

LETTER = {
    "en": ["{mine}, and I was {feeling}.", "Dear paper, {mine}. I became {feeling}.", "I write because {mine}. {feeling} is the word for me.",
           "Being {feeling} is new to me. In short, {mine}.", "{mine}. Who would not be {feeling}?"],
    "zh": ["{mine}，于是变得{feeling}。", "编辑好：{mine}。我有些{feeling}。", "写信是由于{mine}。{feeling}就是我的心情。",
           "{feeling}对我来说是新的。总之{mine}。", "{mine}。谁不会{feeling}呢？"],
}

COLUMN = {  # a paper answers: one sentence from each list
    "en": [["Dear reader, {yours}.", "You write that {yours}.", "So {yours}.", "You are {feeling}, we read.",
            "Whoever reads this sees how {feeling} you are.", "It seems that {yours}, and so one becomes {feeling}.",
            "It sounds to us as if {yours}.", "Thank you for your letter. {yours}.", "We hear how {feeling} you are.",
            "{yours}, and of course you feel {feeling}.", "Your letter moved us: you feel {feeling} since {yours}.", "It is hard that {yours}."],
           ["Our advice on {topic}: {step}.", "You might {step}.", "With worries about {topic} it helps to {step}.",
            "Why not {step}?", "We would like to know, {question}?", "Tell our readers: {question}?",
            "A small step: {step}.", "Could you {step}?", "May we ask, {question}?", "On {topic} you could {step}.",
            "In matters of {topic}, try to {step}.", "One question first: {question}?"]],
    "zh": [["亲爱的读者，{yours}。", "你信里说{yours}。", "原来{yours}。", "读得出你很{feeling}。",
            "读到这里的人都明白你有多{feeling}。", "看来{yours}，所以人会{feeling}。",
            "听起来{yours}。", "谢谢你的来信。{yours}。", "我们听到你有多{feeling}。", "{yours}，当然会感到{feeling}。",
            "你的信打动了我们：{yours}之后你感到{feeling}。", "{yours}，真难啊。"],
           ["我们对{topic}的建议：{step}。", "不妨{step}。", "{topic}有烦恼的时候，{step}会有帮助。",
            "为什么不{step}呢？", "我们想知道，{question}？", "请告诉读者：{question}？",
            "先走小小一步：{step}。", "可以{step}吗？", "我们想问问，{question}？", "关于{topic}，可以先{step}。",
            "{topic}的事情上，试试{step}。", "先问一个问题：{question}？"]],
}

NOTES = {
    "en": ["Topic: {topic}\nWhat happened: {theirs}\nFeeling: {feeling}\nAdvice: {step}"],
    "zh": ["主题：{topic}\n经过：{theirs}\n心情：{feeling}\n建议：{step}"],
}
